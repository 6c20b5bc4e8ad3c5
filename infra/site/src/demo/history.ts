import { useCallback, useEffect, useState } from 'preact/hooks';
import { parseRanged, parseSeed, RANGES, type Ranged } from './options.ts';
import type { Run } from './run.ts';

const KEY = 'troelsllm.history';
const LONGEST = 50;

/** Earlier texts, the newest first, stored in this browser only. */
export interface History {
  readonly runs: readonly Run[];
  add(run: Run): void;
  remove(id: number): void;
  clear(): void;
}

/** The history of this browser, up to date with that of its other tabs. */
export function useHistory(): History {
  const [runs, setRuns] = useState<readonly Run[]>(read);
  useEffect(() => {
    const changed = (event: StorageEvent) => {
      if (event.key === KEY || event.key === null) setRuns(read());
    };
    addEventListener('storage', changed);
    return () => removeEventListener('storage', changed);
  }, []);
  // What other tabs have added since is kept: every change starts from what is stored.
  const change = useCallback((edit: (runs: readonly Run[]) => readonly Run[]) => setRuns(write(edit(read()))), []);
  return {
    runs,
    add: (run) => change((before) => [run, ...before]),
    remove: (id) => change((before) => before.filter((run) => run.id !== id)),
    clear: () => change(() => []),
  };
}

function read(): readonly Run[] {
  try {
    return parseHistory(localStorage.getItem(KEY));
  } catch {
    return []; // The browser keeps nothing for this page.
  }
}

function write(runs: readonly Run[]): readonly Run[] {
  const kept = runs.slice(0, LONGEST);
  try {
    localStorage.setItem(KEY, JSON.stringify(kept));
  } catch {
    // Full or forbidden: then this page shows it for as long as it lives.
  }
  return kept;
}

/** The valid runs of a stored history, which an older version of the page may have written. */
export function parseHistory(stored: string | null): readonly Run[] {
  try {
    const runs: unknown = JSON.parse(stored ?? '[]');
    return Array.isArray(runs) ? runs.filter(isRun).slice(0, LONGEST) : [];
  } catch {
    return [];
  }
}

function isRun(value: unknown): value is Run {
  if (!isObject(value)) return false;
  const { id, prompt, text, options, phase, result, elapsedMs } = value;
  return (
    typeof id === 'number' &&
    typeof prompt === 'string' &&
    typeof text === 'string' &&
    typeof elapsedMs === 'number' &&
    (phase === 'done' || phase === 'stopped' || phase === 'failed') &&
    isObject(options) &&
    (Object.keys(RANGES) as Ranged[]).every((name) => parseRanged(name, String(options[name])) !== null) &&
    parseSeed(String(options['seed'])) !== null &&
    (phase === 'done' ? isResult(result) : result === null)
  );
}

function isResult(value: unknown): boolean {
  if (!isObject(value) || !isObject(value['timing']) || !isObject(value['model'])) return false;
  const { first_token_ms, total_ms, tokens_per_second } = value['timing'];
  const { name, version } = value['model'];
  const numbers = [value['tokens'], first_token_ms, total_ms, tokens_per_second];
  const texts = [value['finishReason'], name, version];
  return numbers.every((number) => typeof number === 'number') && texts.every((text) => typeof text === 'string');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
