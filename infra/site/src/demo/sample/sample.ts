import { ApiError } from '../../api/error.ts';
import type { GenerateResponse, ModelState, Sampling, ScoredText } from '../../api/types.ts';
import { DEFAULTS } from '../options.ts';
import { type Run, asked, complete } from '../run.ts';

/** Texts recorded from an API (`npm run record`), shown while no API answers. */
export interface Sample {
  /** When, in RFC 3339. */
  recorded_at: string;
  model: ModelState;
  /** One for each example of the model. */
  texts: RecordedText[];
}

/** A recorded text, with its surprise. */
export interface RecordedText {
  sampling: Sampling;
  answer: GenerateResponse;
  scored: ScoredText;
}

/** Fetches the recorded sample, a file of its own beside the page's scripts. */
export async function loadSample(): Promise<Sample> {
  const response = await fetch(new URL('./sample.json', import.meta.url));
  if (!response.ok) throw await ApiError.of(response);
  return (await response.json()) as Sample;
}

/** A recorded text as one that was written here. */
export function recordedRun({ sampling, answer }: RecordedText): Run {
  const run = asked(answer.prompt, { ...DEFAULTS, ...sampling, seed: answer.seed });
  return { ...complete(run, answer, answer.timing.total_ms), id: 0 };
}
