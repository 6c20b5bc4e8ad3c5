import { mount } from '../components/Frame.tsx';
import { Architecture } from './Architecture.tsx';

mount('Architecture', <Architecture />);
