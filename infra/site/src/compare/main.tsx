import { mount } from '../components/frame/Frame.tsx';
import { Compare } from './Compare.tsx';
import './compare.css';
import './facts.css';

mount('Compare', <Compare />);
