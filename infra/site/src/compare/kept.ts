/** What the page keeps for a reload: the prompt, the settings, and the answers with the APIs that gave them. */
import type { GenerateRequest, GenerateResponse } from '../api/types.ts';
import { DEFAULTS, type Options } from './options.ts';
import type { Answer } from './use-answers.ts';

/** A page as it was left. */
export interface Kept {
  readonly prompt: string;
  readonly options: Options;
  readonly answers: readonly (Answer | null)[];
}

const KEY = 'troelsllm.compare';

/** What was kept of a page with these columns; null if nothing was, or it had others. */
export function readKept(columns: readonly string[]): Kept | null {
  try {
    return parseKept(sessionStorage.getItem(KEY), columns);
  } catch {
    return null; // The browser keeps nothing for this page.
  }
}

/** Keeps a page for as long as its tab is open. */
export function keep(columns: readonly string[], kept: Kept): void {
  try {
    sessionStorage.setItem(KEY, JSON.stringify({ ...kept, columns }));
  } catch {
    // Full or forbidden: then the page begins anew.
  }
}

/** The valid parts of a stored page, which an older version may have written. */
export function parseKept(stored: string | null, columns: readonly string[]): Kept | null {
  const value: unknown = JSON.parse(stored ?? 'null');
  if (!isObject(value) || typeof value['prompt'] !== 'string' || !isObject(value['options']) || !Array.isArray(value['answers'])) return null;
  if (JSON.stringify(value['columns']) !== JSON.stringify(columns)) return null;
  const given = value['options'];
  const options = Object.entries(DEFAULTS).map(([name, text]) => [name, typeof given[name] === 'string' ? given[name] : text]);
  const answers = value['answers'];
  return { prompt: value['prompt'], options: Object.fromEntries(options), answers: columns.map((_, column) => parseAnswer(answers[column])) };
}

/** An answer that has text; one that was being written when the page was left has stopped. */
function parseAnswer(value: unknown): Answer | null {
  if (!isObject(value) || typeof value['text'] !== 'string' || !isObject(value['request'])) return null;
  const { text, request, result } = value as { text: string; request: Record<string, unknown>; result?: unknown };
  if (typeof request['prompt'] !== 'string' || typeof request['temperature'] !== 'number') return null;
  const asked = request as unknown as GenerateRequest;
  const done = isResult(result) ? result : null;
  if (!done && text === '') return null;
  return { request: asked, text, phase: done ? 'done' : 'stopped', result: done, error: null };
}

function isResult(value: unknown): value is GenerateResponse {
  if (!isObject(value) || !isObject(value['timing']) || !isObject(value['model'])) return false;
  const { timing, tokens_generated: tokens } = value;
  return typeof tokens === 'number' && ['total_ms', 'first_token_ms', 'tokens_per_second'].every((name) => typeof timing[name] === 'number');
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
