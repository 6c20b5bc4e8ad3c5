/** Step-by-step generation: its state, and what each answer of the API means for it. */
import type { ApiError } from '../../api/error.ts';
import { MAX_INSPECT_TOKENS } from '../../api/limits.ts';
import type { Candidate, GenerateResponse } from '../../api/types.ts';
import type { Inspected } from '../prompt/use-inspection.ts';
import type { Draw } from './sampling.ts';

/** A token that was drawn and appended to the text. */
export interface Step {
  readonly text: string;
  readonly seed: number;
  /** How likely it was in the draw; null if it is not among the candidates, as is its rank. */
  readonly chance: number | null;
  readonly rank: number | null;
}

/** Generation, one token at a time. */
export interface Walk {
  /** The text that the walk started from. */
  readonly start: string;
  readonly steps: readonly Step[];
  /** The seed of the next draw. */
  readonly seed: number;
  readonly setSeed: (seed: number) => void;
  /** The rank of the token that has just been drawn and is about to be appended. */
  readonly drawn: number | null;
  readonly busy: boolean;
  readonly error: ApiError | null;
  /** Why there can be no next token; null if there can, or can in a moment. */
  readonly obstacle: string | null;
  /** Whether one can be drawn now. */
  readonly ready: boolean;
  /** A note on the last step, if it needs one. */
  readonly remark: string | null;
  readonly next: () => void;
  readonly back: () => void;
  /** Starts anew, from another text. */
  readonly reset: () => void;
}

/** The step that an answer of one token makes. */
export function stepOf(answer: GenerateResponse, candidates: readonly Candidate[], draw: Draw): Step {
  // The API returns the token's text only. Among texts of whole characters it is unique.
  const found = candidates.findIndex((candidate) => candidate.text === answer.response);
  const rank = found < 0 ? null : found;
  return { text: answer.response, seed: answer.seed, rank, chance: rank === null ? null : (draw.chances[rank] ?? null) };
}

/** Why the text cannot continue after an answer, or null. */
export function endOf({ response, finish_reason: reason }: GenerateResponse): string | null {
  if (reason === 'stop') return 'The model drew its end-of-text token. Take another seed to continue.';
  if (response === '' || response.includes('\uFFFD')) {
    return 'The token drawn is only a part of a character, and a text cannot end with that. Take another seed to continue.';
  }
  return null;
}

/** Why no token can be drawn for the text that is shown, or null. */
export function obstacleTo(live: Inspected, isCurrent: boolean): string | null {
  if (!live.inspection) return 'There is no model to draw from at the moment.';
  if (!isCurrent) return live.error ? 'The text could not be computed.' : null;
  const { tokens, model_info: info } = live.inspection;
  const most = Math.min(MAX_INSPECT_TOKENS, info.context_length);
  return tokens.length >= most ? `The text has ${tokens.length} tokens, and this page shows at most ${most}.` : null;
}

/** A note if the last token was merged with the one before it: each step passes on text, not tokens. */
export function remarkOn({ inspection }: Inspected, steps: readonly Step[]): string | null {
  const last = steps.at(-1);
  const end = inspection?.tokens.at(-1)?.text;
  if (!last || end === undefined || end === last.text) return null;
  return 'The text is tokenized anew for each step, and the new token was merged with the one before it.';
}
