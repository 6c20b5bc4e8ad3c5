/** Settings of storage: what is kept, and for how long. */
import { z } from 'zod';
import { prune } from './prune.ts';

const bucket = z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'expected the name of a bucket');
const repository = z
  .string()
  .regex(/^[a-z0-9]+([._/-][a-z0-9]+)*$/, 'expected the name of an image repository, without its registry');

/** Buckets and repositories that were made before. */
const adopt = z.strictObject({
  artifacts: bucket.optional(),
  corpus: bucket.optional(),
  trainingImages: repository.optional(),
  functionImages: repository.optional(),
});

export type Adopted = z.infer<typeof adopt>;

const fields = z.strictObject({
  /** Days for which a replaced or deleted object can be restored. */
  oldVersionsDays: z.int().min(1).max(3650).default(30),
  /** Pruning: a job deletes old versions of models by a schedule. `null` for none: the store grows by each version. */
  prune: prune.nullable().default(null),
  /** Days after which checkpoints expire: longer than a training run takes, retries included. */
  checkpointDays: z.int().min(1).max(365).default(7),
  /** Retention of the buckets' access logs, in days. */
  accessLogDays: z.int().min(1).max(3650).default(90),
  /**
   * Buckets and image repositories of an earlier deployment, which stayed when its stacks were deleted: they are used
   * with the policies and lifecycle rules that they have; what is not named here is made. `scripts/deploy.sh` and
   * `scripts/destroy.sh` print the names. `null`: the deployment of a new stage stops if it finds some.
   */
  adopt: adopt.nullable().default(null),
  /** A stage for a test: its buckets and images are deleted with its stacks, and access to them is not logged. */
  disposable: z.boolean().default(false),
});

export const storage = fields.superRefine(({ adopt, disposable }, context) => {
  if (!disposable || adopt === null) return;
  const message = 'what a disposable stage has is deleted with it; set adopt to null, or disposable to false';
  context.addIssue({ code: 'custom', path: ['adopt'], message });
});
