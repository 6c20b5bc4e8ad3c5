/** Retries with exponential backoff. */

const FIRST_SECONDS = 5;
const MOST_SECONDS = 60;
/** Lower bound of a wait, whatever `Retry-After` says. */
const LEAST_SECONDS = 1;

/**
 * How long to wait after `failures` in a row, in milliseconds: twice as long each time, up to a minute. It starts
 * from the server's last `Retry-After`, if there was one, and is never less than that.
 */
export function waitMs(failures: number, retryAfterSeconds: number = FIRST_SECONDS): number {
  const asked = Math.max(LEAST_SECONDS, retryAfterSeconds);
  return 1000 * Math.max(asked, Math.min(asked * 2 ** (failures - 1), MOST_SECONDS));
}

/** Calls `act` after `ms`, or later, once the page is visible again; returns the function that cancels it. */
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
