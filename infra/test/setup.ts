/** Setup of each test file: temporary folders are removed when its tests are done. */
import { afterAll } from 'vitest';
import { removeFolders } from './folders.ts';

afterAll(removeFolders);
