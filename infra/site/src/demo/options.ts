import { MAX_SEED, SAMPLING_DEFAULTS, SAMPLING_LIMITS, randomSeed } from '../api/limits.ts';
import type { Sampling } from '../api/types.ts';

/** Settings of a generation, as the controls have them. */
export interface Options {
  readonly temperature: number;
  readonly top_k: number;
  /** 1 leaves all of the `top_k` tokens in the draw. */
  readonly top_p: number;
  readonly max_tokens: number;
  /** Null for another one each time. */
  readonly seed: number | null;
}

/** Options of a generation that has started: its seed is known. */
export type FixedOptions = Options & { readonly seed: number };

/** The defaults of the API, with another seed each time. */
export const DEFAULTS: Options = { ...SAMPLING_DEFAULTS, seed: null };

/** A number that can be set: what the API takes, and the part of it that a slider covers. */
export interface Range {
  readonly min: number;
  readonly max: number;
  readonly slider: number;
  readonly step: number;
}

/** Ranges of the options. */
export const RANGES = {
  temperature: { ...SAMPLING_LIMITS.temperature, slider: 2, step: 0.05 },
  top_k: { ...SAMPLING_LIMITS.top_k, slider: 200, step: 1 },
  top_p: { ...SAMPLING_LIMITS.top_p, slider: 1, step: 0.01 },
  max_tokens: { ...SAMPLING_LIMITS.max_tokens, slider: 400, step: 1 },
} as const satisfies Record<string, Range>;

/** An option with a range. */
export type Ranged = keyof typeof RANGES;

/** The number that `text` is, if `name` can have it. */
export function parseRanged(name: Ranged, text: string): number | null {
  const { min, max, step } = RANGES[name];
  const value = parseNumber(text);
  if (value === null || value < min || value > max) return null;
  return step < 1 || Number.isInteger(value) ? value : null;
}

/** The seed that `text` is, if it is one. */
export function parseSeed(text: string): number | null {
  const value = parseNumber(text);
  return value !== null && Number.isInteger(value) && value >= 0 && value <= MAX_SEED ? value : null;
}

function parseNumber(text: string): number | null {
  // Number('') is 0, which nobody has written.
  const value = text.trim() === '' ? Number.NaN : Number(text);
  return Number.isFinite(value) ? value : null;
}

/** The options with their seed, or with a random one. */
export function withSeed(options: Options): FixedOptions {
  return { ...options, seed: options.seed ?? randomSeed() };
}

/** The options as the API takes them; without a seed, the server draws one. */
export function request({ temperature, top_k, top_p, max_tokens, seed }: Options): Sampling {
  return { temperature, top_k, max_tokens, ...(seed !== null && { seed }), ...(top_p < 1 && { top_p }) };
}
