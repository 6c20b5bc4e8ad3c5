import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { isAbort } from '../../api/client.ts';
import { ApiError } from '../../api/error.ts';
import { MAX_INSPECT_CANDIDATES } from '../../api/limits.ts';
import { type LoadedModel, loadedModel } from '../../api/loaded-model.ts';
import type { InspectResponse } from '../../api/types.ts';
import { later, waitMs } from '../../components/status/retry.ts';
import type { Api } from '../../components/status/use-api.ts';

/** Debounce: the pause in typing after which the text is computed. */
const PAUSE_MS = 350;

/** A text to look at, and whether it is still being typed. */
export interface Prompt {
  readonly text: string;
  readonly typing: boolean;
}

/** The newest answer of `POST /inspect`, and the state of the current request. */
export interface Inspected {
  /** The newest answer, which may be that of an earlier text or version. */
  readonly inspection: InspectResponse | null;
  /** The text that it is about. */
  readonly text: string | null;
  /** The model that it went through. */
  readonly details: LoadedModel | null;
  /** From the request to the answer. */
  readonly roundTripMs: number | null;
  /** Why there is no answer to the newest text. */
  readonly error: ApiError | null;
  /** Whether one is awaited. */
  readonly pending: boolean;
  readonly retry: () => void;
}

type Answer = Pick<Inspected, 'inspection' | 'text' | 'details' | 'roundTripMs'>;
const NOTHING: Answer = { inspection: null, text: null, details: null, roundTripMs: null };

/** Inspects each new `prompt` as soon as there is a model, and again once another version is served. */
export function useInspection(api: Api, prompt: Prompt): Inspected {
  const [answer, setAnswer] = useState(NOTHING);
  const [error, setError] = useState<ApiError | null>(null);
  const [pending, setPending] = useState(false);
  const [round, setRound] = useState(0);
  const { client, state, refresh } = api;
  const ready = state?.status === 'ready' && !api.error;
  const newest = useRef(answer);
  newest.current = answer;
  /** How often in a row this prompt got no answer. */
  const failures = useRef(0);
  useEffect(() => {
    failures.current = 0;
  }, [prompt, round]);

  useEffect(() => {
    const { inspection, text } = newest.current;
    if (inspection && text === prompt.text && inspection.model.version === state?.model?.version) {
      setError(null);
      return;
    }
    if (!client || !ready || !prompt.text) return;
    const abort = new AbortController();
    let callOff = () => {};
    const ask = async () => {
      const start = performance.now();
      try {
        const found = await client.inspect({ prompt: prompt.text, top_k: MAX_INSPECT_CANDIDATES }, abort.signal);
        const roundTripMs = performance.now() - start;
        setError(null);
        if (found.model.version === state.model?.version) {
          failures.current = 0;
          setAnswer({ inspection: found, text: prompt.text, details: loadedModel(state), roundTripMs });
        } else {
          // Another version has taken over since the page learnt of one. Nothing is shown of a text before its
          // model is known; while servers change one after the other, they may disagree for longer.
          callOff = later(refresh, failures.current ? waitMs(failures.current) : 0);
          failures.current += 1;
        }
      } catch (thrown) {
        if (isAbort(thrown)) return;
        const failure = ApiError.wrap(thrown);
        setError(failure);
        // The next answer of `GET /model` says whether it is worth another try.
        failures.current += 1;
        if (isPassing(failure)) callOff = later(refresh, waitMs(failures.current, failure.retryAfterSeconds));
      }
      setPending(false);
    };
    setPending(true);
    const timer = setTimeout(ask, prompt.typing ? PAUSE_MS : 0);
    return () => {
      abort.abort();
      clearTimeout(timer);
      callOff();
      setPending(false);
    };
  }, [client, ready, state, refresh, prompt, round]);

  return { ...answer, error, pending, retry: useCallback(() => setRound((before) => before + 1), []) };
}

/** Whether the same request may succeed later. */
function isPassing({ code, retryAfterSeconds }: ApiError): boolean {
  return retryAfterSeconds !== undefined || code === 'unreachable';
}
