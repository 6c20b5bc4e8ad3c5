/** Settings of alarms: who is told of what, and from which threshold on. */
import { z } from 'zod';

/** An address, or a word for that there is none. */
export const email = z
  .union([z.literal('none'), z.email()], 'expected an e-mail address, or none')
  .nullable()
  .default(null);

export const alarms = z.strictObject({
  /**
   * Recipient of alarms; AWS asks that address for confirmation first. `none`: nobody is told. `null`: it is said when
   * the stage is deployed, by `--email` of scripts/deploy.sh or `-c email=`.
   */
  email,
  /** Threshold for the 99th percentile of request latency, in seconds. */
  p99Seconds: z.number().positive().default(30),
  /** Threshold for a cold start, from the start of the process to a loaded model, in seconds. */
  coldStartSeconds: z.number().positive().default(10),
  /** Threshold for the age of the served model, in days: retraining is late. `null` for no alarm. */
  modelAgeDays: z.int().min(1).nullable().default(null),
  /** Monthly budget of the whole account, in USD. `null` for none. */
  monthlyBudgetUsd: z.number().positive().nullable().default(10),
});
