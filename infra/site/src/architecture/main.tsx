import { mount } from '../components/Frame.tsx';
import { Architecture } from './Architecture.tsx';
import './styles/index.css';

mount('Architecture', <Architecture />);
