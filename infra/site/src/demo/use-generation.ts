import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { type Client, isAbort } from '../api/client.ts';
import { ApiError } from '../api/error.ts';
import { perFrame } from '../components/per-frame.ts';
import { type Options, request, withSeed } from './options.ts';
import { type Run, asked, complete } from './run.ts';

/** The generation that is shown, and its controls. */
export interface Generation {
  readonly run: Run | null;
  /** Why a text failed. */
  readonly error: ApiError | null;
  /** Asks for a text; nothing happens while one is being written. */
  start(prompt: string, options: Options): void;
  /** Ends the text that is being written, here and on the server. */
  stop(): void;
  /** Shows a text of earlier, or none. */
  show(run: Run | null): void;
  /** Takes the error for mended. */
  dismiss(): void;
}

/**
 * Generates texts with `client`, one at a time, and shows `first` until there is one; `onEnd` gets each when it has
 * ended, and why if it failed.
 */
export function useGeneration(
  client: Client | null,
  first: () => Run | null,
  onEnd: (run: Run, error: ApiError | null) => void,
): Generation {
  const [run, setRun] = useState(first);
  const [error, setError] = useState<ApiError | null>(null);
  const abort = useRef<AbortController | null>(null);
  const ended = useRef(onEnd);
  ended.current = onEnd;

  const stop = useCallback(() => abort.current?.abort(), []);
  useEffect(() => stop, [stop]);

  const start = (prompt: string, options: Options) => {
    if (!client || abort.current || prompt === '') return;
    const control = new AbortController();
    abort.current = control;
    setError(null);
    void generate(client, prompt, options, control, setRun).then(([last, failure]) => {
      // Another text may be shown by now; this one has ended all the same.
      if (abort.current === control) {
        abort.current = null;
        setRun(last);
        setError(failure);
      }
      ended.current(last, failure);
    });
  };

  const show = (shown: Run | null) => {
    stop();
    abort.current = null;
    setError(null);
    setRun(shown);
  };

  return { run, error, start, stop, show, dismiss: () => setError(null) };
}

/** Generates one text, calling `update` with every change; returns how it ended, and the error if it failed. */
async function generate(
  client: Client,
  prompt: string,
  options: Options,
  { signal }: AbortController,
  update: (run: Run) => void,
): Promise<[Run, ApiError | null]> {
  const begun = performance.now();
  const elapsedMs = () => performance.now() - begun;
  let run = asked(prompt, withSeed(options));
  update(run);
  const frames = perFrame(() => {
    if (signal.aborted) return;
    // Measured where the words are about to be painted.
    if (run.text !== '') run = { ...run, firstTokenMs: run.firstTokenMs ?? elapsedMs() };
    update(run);
  });
  const onText = (piece: string) => {
    run = { ...run, text: run.text + piece, phase: 'writing' };
    frames.request();
  };
  try {
    const answer = await client.generate({ prompt, ...request(run.options) }, onText, signal);
    return [complete({ ...run, firstTokenMs: run.firstTokenMs ?? elapsedMs() }, answer, elapsedMs()), null];
  } catch (thrown) {
    if (isAbort(thrown) || signal.aborted) return [{ ...run, phase: 'stopped', elapsedMs: elapsedMs() }, null];
    return [{ ...run, phase: 'failed', elapsedMs: elapsedMs() }, ApiError.wrap(thrown)];
  } finally {
    frames.cancel();
  }
}
