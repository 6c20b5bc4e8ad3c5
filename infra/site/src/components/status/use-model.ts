import { useCallback, useEffect, useState } from 'preact/hooks';
import { Client, isAbort } from '../../api/client.ts';
import { ApiError } from '../../api/error.ts';
import type { ModelState } from '../../api/types.ts';
import { later, waitMs } from './retry.ts';

/** How often the state is polled while the model loads. */
const LOADING_MS = 1000;

/** The state of the model behind an API. */
export interface ModelWatch {
  /** The newest answer of `GET /model`. */
  readonly state: ModelState | null;
  /** Why the last request failed. */
  readonly error: ApiError | null;
  /** Start of the pending request, in milliseconds of `performance.now()`; null if there is none. */
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
    /** Failures in a row. */
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
        // Without a key, a retry would fail too.
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
