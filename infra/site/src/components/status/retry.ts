/** When something that failed is tried again. */

const FIRST_SECONDS = 5;
const MOST_SECONDS = 60;
/** Whatever an API asks for, it is not asked more often than that. */
const LEAST_SECONDS = 1;

/**
 * How long to wait after `failures` in a row, in milliseconds: each time twice as long, up to a minute;
 * from what the server asked for last, if it did, and never less than that.
 */
export function waitMs(failures: number, retryAfterSeconds: number = FIRST_SECONDS): number {
  const asked = Math.max(LEAST_SECONDS, retryAfterSeconds);
  return 1000 * Math.max(asked, Math.min(asked * 2 ** (failures - 1), MOST_SECONDS));
}

/** Calls `act` after `ms`, or as soon as somebody looks at the page again; gives what calls it off. */
export function later(act: () => void, ms: number): () => void {
  const due = () => {
    if (document.hidden) document.addEventListener('visibilitychange', due, { once: true });
    else act();
  };
  const timer = setTimeout(due, ms);
  return () => {
    clearTimeout(timer);
    document.removeEventListener('visibilitychange', due);
  };
}
