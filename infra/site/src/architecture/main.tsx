import { mount } from '../components/frame/Frame.tsx';
import { Architecture } from './Architecture.tsx';
import './index.css';

mount('Architecture', <Architecture />);
