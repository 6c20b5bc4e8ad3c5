/** Settings of the answers, as the texts of their fields. */
import { MAX_SEED, SAMPLING_DEFAULTS, SAMPLING_LIMITS, randomSeed } from '../api/limits.ts';
import type { Sampling } from '../api/types.ts';

export const DEFAULTS = {
  max_tokens: String(SAMPLING_DEFAULTS.max_tokens),
  temperature: String(SAMPLING_DEFAULTS.temperature),
  /** Of the second text of a model alone. */
  second_temperature: '1.5',
  top_k: String(SAMPLING_DEFAULTS.top_k),
  top_p: String(SAMPLING_DEFAULTS.top_p),
  seed: '',
};

/** The settings. */
export type Options = typeof DEFAULTS;
/** The name of one. */
export type Option = keyof Options;

/** A setting's label and the values that it may have. */
export interface Field {
  readonly name: Option;
  readonly label: string;
  readonly min: number;
  readonly max: number;
  readonly step: number;
  readonly placeholder?: string;
}

/** The settings in the order of the form. */
export const FIELDS: readonly Field[] = [
  { name: 'max_tokens', label: 'Length, tokens', ...SAMPLING_LIMITS.max_tokens, step: 1 },
  { name: 'temperature', label: 'Temperature', ...SAMPLING_LIMITS.temperature, step: 0.01 },
  { name: 'second_temperature', label: 'Second temperature', ...SAMPLING_LIMITS.temperature, step: 0.01 },
  { name: 'top_k', label: 'Top-k', ...SAMPLING_LIMITS.top_k, step: 1 },
  { name: 'top_p', label: 'Top-p', ...SAMPLING_LIMITS.top_p, step: 0.01 },
  { name: 'seed', label: 'Seed', min: 0, max: MAX_SEED, step: 1, placeholder: 'random' },
];

/** What is wrong with the text of a field, with the values that it may have; null if nothing is. */
export function faultOf({ name, label, min, max, step }: Field, text: string): string | null {
  if (text.trim() === '' && name === 'seed') return null;
  const value = text.trim() === '' ? NaN : Number(text);
  const whole = step === 1;
  if (value >= min && value <= max && (!whole || Number.isInteger(value))) return null;
  const number = new Intl.NumberFormat('en', { maximumFractionDigits: 2 });
  return `${label} is a ${whole ? 'whole number' : 'number'} from ${number.format(min)} to ${number.format(max)}.`;
}

/** The settings of a request; the seed is drawn where none is given. */
export function toSampling(options: Options): Sampling & { seed: number } {
  const topP = Number(options.top_p);
  return {
    max_tokens: Number(options.max_tokens),
    temperature: Number(options.temperature),
    top_k: Number(options.top_k),
    ...(topP < 1 && { top_p: topP }),
    seed: options.seed.trim() === '' ? randomSeed() : Number(options.seed),
  };
}
