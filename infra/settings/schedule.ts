/** When something runs by itself, as EventBridge Scheduler reads it. */
import { z } from 'zod';

export const schedule = {
  /** Cron expression: minute, hour, day of month, month, day of week, year. */
  cron: z.string().regex(/^\S+( \S+){5}$/, 'expected six fields, such as `0 3 ? * SUN *`'),
  /** Time zone of the cron expression. */
  timeZone: z.string().refine(isTimeZone, 'expected a time zone such as Europe/Copenhagen'),
};

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
