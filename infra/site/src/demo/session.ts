import { useEffect, useRef, useState } from 'preact/hooks';
import { parseOptions, parseRun } from './history.ts';
import type { Options } from './options.ts';
import { type Run, isActive } from './run.ts';

/** What a tab keeps while it shows another page, or loads this one again: the prompt, the settings and the text. */
export interface Session {
  /** Null if the reader has written none. */
  readonly prompt: string | null;
  readonly options: Options;
  readonly run: Run | null;
}

const KEY = 'troelsllm.demo';

/** The session that the tab has kept, if any; keeps `current` when the page is left. */
export function useSession(current: () => Session): Session | null {
  const [kept] = useState(read);
  const latest = useRef(current);
  latest.current = current;
  useEffect(() => {
    const keep = () => write(latest.current());
    addEventListener('pagehide', keep);
    return () => {
      removeEventListener('pagehide', keep);
      keep();
    };
  }, []);
  return kept;
}

function read(): Session | null {
  try {
    return parseSession(sessionStorage.getItem(KEY));
  } catch {
    return null; // The browser keeps nothing for this page.
  }
}

function write({ prompt, options, run }: Session): void {
  // A text that is being written ends with the page.
  const ended: Run | null = run && isActive(run) ? { ...run, phase: 'stopped', elapsedMs: Date.now() - run.id } : run;
  try {
    sessionStorage.setItem(KEY, JSON.stringify({ prompt, options, run: ended?.text ? ended : null }));
  } catch {
    // Full or forbidden: then the text is in the history, if that is kept.
  }
}

/** The valid parts of a stored session, which an older version of the page may have written. */
export function parseSession(stored: string | null): Session | null {
  try {
    const value: unknown = JSON.parse(stored ?? 'null');
    if (typeof value !== 'object' || value === null || !('options' in value)) return null;
    const options = parseOptions(value.options);
    if (!options) return null;
    const prompt = 'prompt' in value && typeof value.prompt === 'string' ? value.prompt : null;
    return { prompt, options, run: 'run' in value ? parseRun(value.run) : null };
  } catch {
    return null;
  }
}
