/** Settings of storage: what is kept, and for how long. */
import { z } from 'zod';
import { prune } from './prune.ts';

export const storage = z.strictObject({
  /** Days for which a replaced or deleted object can be restored. */
  oldVersionsDays: z.int().min(1).max(3650).default(30),
  /** Pruning: a job deletes old versions of models by a schedule. `null` for none: the store grows by each version. */
  prune: prune.nullable().default(null),
  /** Days after which checkpoints expire: longer than a training run takes, retries included. */
  checkpointDays: z.int().min(1).max(365).default(7),
  /** Retention of the buckets' access logs, in days. */
  accessLogDays: z.int().min(1).max(3650).default(90),
});
