/** Settings of the canary deployment of the function. */
import { z } from 'zod';

export const canary = z.strictObject({
  /** Share of the requests that a new version gets first, in percent. */
  percent: z.int().min(1).max(99).default(10),
  /** Minutes until it gets all. Alarms look at five minutes at a time. */
  minutes: z.int().min(5).max(1440).default(10),
});
