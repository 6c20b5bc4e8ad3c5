import { useCallback, useEffect, useState } from 'preact/hooks';
import { Client, isAbort } from '../../api/client.ts';
import { ApiError } from '../../api/error.ts';
import type { ModelState } from '../../api/types.ts';
import { later, waitMs } from './retry.ts';

/** How often a model that is being loaded is asked for. */
const LOADING_MS = 1000;

/** What is known of the model behind an API. */
export interface ModelWatch {
  /** The newest answer of `GET /model`. */
  readonly state: ModelState | null;
  /** Why there was none the last time. */
  readonly error: ApiError | null;
  /** Since when an answer is awaited, in milliseconds of `performance.now()`; null if none is. */
  readonly askedAt: number | null;
  /** Asks again at once. */
  readonly refresh: () => void;
}

/** Watches the model behind `client` until it is ready, and again whenever {@link ModelWatch.refresh} is called. */
export function useModel(client: Client | null): ModelWatch {
  const [state, setState] = useState<ModelState | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [askedAt, setAskedAt] = useState<number | null>(null);
  const [round, setRound] = useState(0);

  useEffect(() => {
    if (!client) return;
    const abort = new AbortController();
    let callOff = () => {};
    /** How often in a row there was no model. */
    let failures = 0;
    const ask = async () => {
      setAskedAt(performance.now());
      try {
        const answer = await client.model(abort.signal);
        setState(answer);
        setError(null);
        failures = answer.status === 'unavailable' ? failures + 1 : 0;
        if (answer.status !== 'ready') callOff = later(ask, failures ? waitMs(failures) : LOADING_MS);
      } catch (thrown) {
        if (isAbort(thrown)) return;
        const failure = ApiError.wrap(thrown);
        setError(failure);
        failures += 1;
        // Without a key it cannot get better by itself.
        if (failure.code !== 'unauthorized') callOff = later(ask, waitMs(failures, failure.retryAfterSeconds));
      }
      setAskedAt(null);
    };
    void ask();
    return () => {
      abort.abort();
      callOff();
    };
  }, [client, round]);

  return { state, error, askedAt, refresh: useCallback(() => setRound((before) => before + 1), []) };
}
