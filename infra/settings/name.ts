/** Name of a channel, a preset or a tag, as the store and image registries allow it. */
import { z } from 'zod';

export const name = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/,
    'expected up to 128 of the characters a-z A-Z 0-9 . _ -, the first of them a letter or a digit',
  );
