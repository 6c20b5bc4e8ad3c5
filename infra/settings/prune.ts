/** Settings of pruning: which versions of models are kept. */
import { z } from 'zod';
import { schedule } from './schedule.ts';

export const prune = z.strictObject({
  /** How many versions of each model are kept, the newest; those that a channel names or would return to stay, too. */
  keep: z.int().min(1).max(1000).default(5),
  ...schedule,
});
