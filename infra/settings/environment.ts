/**
 * Room for lists in the environment of a function, of which Lambda allows 4 KB:
 * https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
 */

/** The rest is for all other variables, at their longest. */
const BYTES = 3000;

/** What is wrong with lists that become variables, separated by commas; nothing if there is room for them. */
export function tooLong(lists: Record<string, string[]>): string | undefined {
  const bytes = Object.values(lists).reduce((sum, list) => sum + Buffer.byteLength(list.join(',')), 0);
  if (bytes <= BYTES) return undefined;
  return `${Object.keys(lists).join(' and ')} have ${bytes} bytes; expected at most ${BYTES}, which a function takes`;
}
