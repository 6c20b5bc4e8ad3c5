import { useEffect, useState } from 'preact/hooks';

/** A warm API answers faster than this; after it, the sample is shown. */
const PATIENCE_MS = 1500;

/** The recorded sample that `load` fetches, once it is `needed` at once or an answer has been `awaited` for long; else null. */
export function useSample<Sample>(load: () => Promise<Sample>, awaited: boolean, needed: boolean): Sample | null {
  const [late, setLate] = useState(false);
  const [sample, setSample] = useState<Sample | null>(null);
  useEffect(() => {
    if (!awaited) return;
    const timer = setTimeout(() => setLate(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, [awaited]);
  const wanted = awaited && (late || needed);
  useEffect(() => {
    if (!wanted || sample) return;
    let left = false;
    // Without it the page still says what it waits for.
    load().then((loaded) => left || setSample(loaded), () => {});
    return () => {
      left = true;
    };
  }, [wanted, sample]);
  return awaited ? sample : null;
}

/** Whether it is known that there is no model for now. */
export function isAway(state: { status: string } | null): boolean {
  return state !== null && state.status !== 'ready';
}
