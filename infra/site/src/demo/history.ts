import { useCallback, useEffect, useState } from 'preact/hooks';
import { type Options, parseRanged, parseSeed, RANGES, type Ranged } from './options.ts';
import type { Run } from './run.ts';

const KEY = 'troelsllm.history';
const LONGEST = 50;

/** Earlier texts, the newest first, stored in this browser only. */
export interface History {
  readonly runs: readonly Run[];
  add(run: Run): void;
  remove(id: number): void;
  clear(): void;
  /** Brings back what was removed last; null if there is nothing. */
  readonly undo: (() => void) | null;
}

/** The history of this browser, up to date with that of its other tabs. */
export function useHistory(): History {
  const [runs, setRuns] = useState<readonly Run[]>(read);
  const [removed, setRemoved] = useState<readonly Run[]>([]);
  useEffect(() => {
    const changed = (event: StorageEvent) => {
      if (event.key === KEY || event.key === null) setRuns(read());
    };
    addEventListener('storage', changed);
    return () => removeEventListener('storage', changed);
  }, []);
  // What other tabs have added since is kept: every change starts from what is stored.
  const change = useCallback((edit: (runs: readonly Run[]) => readonly Run[]) => setRuns(write(edit(read()))), []);
  const remove = (isRemoved: (run: Run) => boolean) => {
    setRemoved(runs.filter(isRemoved));
    change((before) => before.filter((run) => !isRemoved(run)));
  };
  const undo = () => {
    setRemoved([]);
    change((before) => [...before, ...removed].sort((a, b) => b.id - a.id));
  };
  return {
    runs,
    add: (run) => change((before) => [run, ...before]),
    remove: (id) => remove((run) => run.id === id),
    clear: () => remove(() => true),
    undo: removed.length > 0 ? undo : null,
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
    return Array.isArray(runs) ? runs.map(parseRun).filter((run) => run !== null).slice(0, LONGEST) : [];
  } catch {
    return [];
  }
}

/** A stored text that has ended, if `value` is one. */
export function parseRun(value: unknown): Run | null {
  if (!isObject(value)) return null;
  const { id, prompt, text, options, phase, result, elapsedMs, firstTokenMs = null } = value;
  const valid =
    typeof id === 'number' &&
    typeof prompt === 'string' &&
    typeof text === 'string' &&
    typeof elapsedMs === 'number' &&
    (firstTokenMs === null || typeof firstTokenMs === 'number') &&
    (phase === 'done' || phase === 'stopped' || phase === 'failed') &&
    typeof parseOptions(options)?.seed === 'number' &&
    (phase === 'done' ? isResult(result) : result === null);
  return valid ? ({ ...value, firstTokenMs } as Run) : null;
}

/** Stored settings, if `value` are some. */
export function parseOptions(value: unknown): Options | null {
  if (!isObject(value)) return null;
  const ranged = (Object.keys(RANGES) as Ranged[]).every((name) => parseRanged(name, String(value[name])) !== null);
  const seeded = value['seed'] === null || parseSeed(String(value['seed'])) !== null;
  return ranged && seeded ? (value as unknown as Options) : null;
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
