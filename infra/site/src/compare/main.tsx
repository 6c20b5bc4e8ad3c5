import { mount } from '../components/Frame.tsx';
import { Compare } from './Compare.tsx';
import './compare.css';

mount('Compare', <Compare />);
