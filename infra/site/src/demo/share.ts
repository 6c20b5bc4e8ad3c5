import { MAX_PROMPT_CHARS } from '../api/limits.ts';
import type { ModelRef } from '../api/types.ts';
import { DEFAULTS, type Options, RANGES, type Ranged, parseRanged, parseSeed } from './options.ts';
import type { Run } from './run.ts';

/** A shared link: prompt and settings in the URL fragment, which browsers do not send to servers. */
export interface Shared {
  readonly prompt: string;
  readonly options: Options;
  /** Name and version of the model that wrote it: another one writes something else. */
  readonly model: string | null;
}

/** A model as links name it. */
export function modelId({ name, version }: Pick<ModelRef, 'name' | 'version'>): string {
  return `${name}/${version}`;
}

/** Whether `run` is what a link asks for. */
export function isOf(run: Run, { prompt, options }: Shared): boolean {
  const same = (Object.keys(RANGES) as Ranged[]).every((name) => run.options[name] === options[name]);
  return run.prompt === prompt && same && (options.seed === null || options.seed === run.options.seed);
}

/** The fragment for what is shared, with its `#`. */
export function toFragment({ prompt, options, model }: Shared): string {
  const fields = new URLSearchParams({ prompt });
  for (const name of Object.keys(RANGES) as Ranged[]) fields.set(name, String(options[name]));
  if (options.seed !== null) fields.set('seed', String(options.seed));
  if (model !== null) fields.set('model', model);
  return `#${fields}`;
}

/** The contents of a fragment, or null if it shares nothing. Values out of range count as left out. */
export function fromFragment(fragment: string): Shared | null {
  const fields = new URLSearchParams(fragment.replace(/^#/, ''));
  const prompt = fields.get('prompt');
  if (prompt === null) return null;
  const ranged = (name: Ranged) => parseRanged(name, fields.get(name) ?? '') ?? DEFAULTS[name];
  return {
    prompt: prompt.slice(0, MAX_PROMPT_CHARS),
    options: {
      temperature: ranged('temperature'),
      top_k: ranged('top_k'),
      top_p: ranged('top_p'),
      max_tokens: ranged('max_tokens'),
      seed: parseSeed(fields.get('seed') ?? ''),
    },
    model: fields.get('model'),
  };
}
