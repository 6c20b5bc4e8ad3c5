import { useEffect, useRef, useState } from 'preact/hooks';
import { type Client, isAbort } from '../../api/client.ts';
import { ApiError } from '../../api/error.ts';
import type { GenerateResponse } from '../../api/types.ts';
import { type SamplingSettings, toRequest } from '../next-token/sampling.ts';

/** Tokens of the measured text: enough for a stable rate, and few enough to be quick. */
export const MEASURED_TOKENS = 50;

/** A timed generation on demand. */
export interface Measure {
  readonly busy: boolean;
  readonly error: ApiError | null;
  /** Starts one; null if there is no model to ask. */
  readonly start: (() => void) | null;
}

/** Generates a text from `prompt` on demand, and tells `onAnswer` how long it took. */
export function useMeasure(
  client: Client | null,
  prompt: string,
  settings: SamplingSettings,
  onAnswer: (answer: GenerateResponse, roundTripMs: number) => void,
): Measure {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError | null>(null);
  const abort = useRef<AbortController | null>(null);
  useEffect(() => () => abort.current?.abort(), []);
  const start = async () => {
    if (!client || busy) return;
    abort.current = new AbortController();
    setBusy(true);
    setError(null);
    try {
      const began = performance.now();
      const request = { prompt, max_tokens: MEASURED_TOKENS, ...toRequest(settings) };
      const answer = await client.generate(request, () => {}, abort.current.signal);
      onAnswer(answer, performance.now() - began);
    } catch (thrown) {
      if (isAbort(thrown)) return;
      setError(ApiError.wrap(thrown));
    }
    setBusy(false);
  };
  return { busy, error, start: client && prompt ? () => void start() : null };
}
