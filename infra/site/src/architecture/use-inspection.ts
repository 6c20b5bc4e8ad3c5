import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { isAbort } from '../api/client.ts';
import { ApiError } from '../api/error.ts';
import type { InspectResponse } from '../api/types.ts';
import type { Api } from '../components/use-api.ts';

/** How long a reader who types must pause before the text counts. */
const PAUSE_MS = 350;
/** When a text that failed is tried again, unless the server says when. */
const RETRY_MS = 5000;
/** The most that the API tells. */
export const CANDIDATES = 100;

/** A text to look at, and whether it is still being typed. */
export interface Prompt {
  readonly text: string;
  readonly typing: boolean;
}

/** What is known of the newest text. */
export interface Inspected {
  /** The newest answer, which may be that of an earlier text. */
  readonly inspection: InspectResponse | null;
  /** The text that it is about. */
  readonly text: string | null;
  /** From the request to the answer. */
  readonly roundTripMs: number | null;
  /** Why there is no answer to the newest text. */
  readonly error: ApiError | null;
  /** Whether one is awaited. */
  readonly pending: boolean;
  readonly retry: () => void;
}

type Answer = Pick<Inspected, 'inspection' | 'text' | 'roundTripMs'>;
const NOTHING: Answer = { inspection: null, text: null, roundTripMs: null };

/** Has the model look at each new `prompt`, as soon as there is a model. */
export function useInspection(api: Api, prompt: Prompt): Inspected {
  const [answer, setAnswer] = useState(NOTHING);
  const [error, setError] = useState<ApiError | null>(null);
  const [pending, setPending] = useState(false);
  const [round, setRound] = useState(0);
  const { client, state, refresh } = api;
  const ready = state?.status === 'ready' && !api.error;
  const newest = useRef(answer);
  newest.current = answer;

  useEffect(() => {
    const { inspection, text } = newest.current;
    if (inspection && text === prompt.text) {
      setError(null);
      return;
    }
    if (!client || !ready || !prompt.text) return;
    const abort = new AbortController();
    let retry: ReturnType<typeof setTimeout> | undefined;
    const ask = async () => {
      const start = performance.now();
      try {
        const found = await client.inspect({ prompt: prompt.text, top_k: CANDIDATES }, abort.signal);
        setAnswer({ inspection: found, text: prompt.text, roundTripMs: performance.now() - start });
        setError(null);
        // Another model has taken over since the page learnt of one.
        if (found.model.version !== state?.model?.version) refresh();
      } catch (thrown) {
        if (isAbort(thrown)) return;
        const failure = ApiError.wrap(thrown);
        setError(failure);
        // The next answer of `GET /model` says whether it is worth another try.
        const wait = failure.retryAfterSeconds === undefined ? RETRY_MS : failure.retryAfterSeconds * 1000;
        if (isPassing(failure)) retry = setTimeout(refresh, wait);
      }
      setPending(false);
    };
    setPending(true);
    const timer = setTimeout(ask, prompt.typing ? PAUSE_MS : 0);
    return () => {
      abort.abort();
      clearTimeout(timer);
      clearTimeout(retry);
      setPending(false);
    };
  }, [client, ready, state, refresh, prompt, round]);

  return { ...answer, error, pending, retry: useCallback(() => setRound((before) => before + 1), []) };
}

/** Whether the same request may succeed later: nothing is wrong with it. */
function isPassing({ code, retryAfterSeconds }: ApiError): boolean {
  return retryAfterSeconds !== undefined || code === 'unreachable';
}
