/** Surprise: how likely a model finds each piece of a text, from the log-probabilities of its tokens. */
import type { ScoredText } from '../../api/types.ts';

/** A piece of a text: a token, or the tokens that make up a character together. */
export interface Piece {
  readonly text: string;
  /** Where it begins, in characters. */
  readonly start: number;
  /** Null for the first piece of a text: nothing comes before it. */
  readonly probability: number | null;
  /** What the model found likeliest in its place, and the piece itself, the likeliest first. */
  readonly likeliest: readonly Likely[];
}

/** A token with its probability. */
export interface Likely {
  readonly text: string;
  readonly probability: number;
}

/** The pieces of a text. */
export function piecesOf({ text, logprobs }: ScoredText): Piece[] {
  const characters = [...text];
  const pieces: Piece[] = [];
  let tokens: { start: number; logprob: number | null; top: Record<string, number> | null }[] = [];
  logprobs.text_offset.forEach((start, index) => {
    tokens.push({ start, logprob: logprobs.token_logprobs[index] ?? null, top: logprobs.top_logprobs[index] ?? null });
    const end = logprobs.text_offset[index + 1] ?? characters.length;
    const [first] = tokens;
    // A token that has a part of a character only goes with the next.
    if (!first || (end === first.start && index + 1 < logprobs.text_offset.length)) return;
    const known = tokens.every(({ logprob }) => logprob !== null);
    pieces.push({
      text: characters.slice(first.start, end).join(''),
      start: first.start,
      probability: known ? Math.exp(tokens.reduce((sum, { logprob }) => sum + (logprob ?? 0), 0)) : null,
      likeliest: Object.entries(first.top ?? {})
        .map(([text, logprob]) => ({ text, probability: Math.exp(logprob) }))
        .sort((a, b) => b.probability - a.probability),
    });
    tokens = [];
  });
  return pieces;
}

/** Bits that the model needs for each byte of the pieces whose probability is known; null if there are none. */
export function bitsPerByte(pieces: readonly Piece[]): number | null {
  const known = pieces.filter(({ probability }) => probability !== null);
  const bits = known.reduce((sum, { probability }) => sum - Math.log2(probability ?? 1), 0);
  const bytes = known.reduce((sum, { text }) => sum + new TextEncoder().encode(text).length, 0);
  return bytes === 0 ? null : bits / bytes;
}

/** The levels of surprise: the least probability of each, and its name. */
export const LEVELS = [
  { least: 0.5, name: '50% or more' },
  { least: 0.1, name: '10 to 50%' },
  { least: 0.01, name: '1 to 10%' },
  { least: 0.001, name: '0.1 to 1%' },
  { least: 0, name: 'less than 0.1%' },
] as const;

/** The level of a probability, as an index of {@link LEVELS}. */
export function levelOf(probability: number): number {
  return LEVELS.findIndex(({ least }) => probability >= least);
}
