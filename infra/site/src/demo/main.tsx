import { mount } from '../components/frame/Frame.tsx';
import { Demo } from './Demo.tsx';

mount('Demo', <Demo />);
