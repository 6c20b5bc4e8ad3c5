import { mount } from '../components/Frame.tsx';
import { Demo } from './Demo.tsx';

mount('Demo', <Demo />);
