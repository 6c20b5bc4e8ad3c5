import { mount } from '../components/Frame.tsx';
import { Compare } from './Compare.tsx';

mount('Compare', <Compare />);
