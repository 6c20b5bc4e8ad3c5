/** Name of a channel, a preset or a tag. */
import { z } from 'zod';

export const name = z.string().regex(/^[A-Za-z0-9._-]+$/, 'expected the characters a-z A-Z 0-9 . _ -');
