import { useEffect, useState } from 'preact/hooks';

/** The time in milliseconds of `performance.now()`, updated while `runs`. */
export function useClock(runs: boolean): number {
  const [now, setNow] = useState(() => performance.now());
  useEffect(() => {
    if (!runs) return;
    setNow(performance.now());
    const timer = setInterval(() => setNow(performance.now()), 100);
    return () => clearInterval(timer);
  }, [runs]);
  return now;
}
