/** Attention patterns of heads; `attention[layer][head][token]` has a weight for each token up to that one. */
import { sum } from '../shared/sum.ts';

/** The weights of one head: a row for each token, over the tokens up to itself. */
export type HeadWeights = readonly (readonly number[])[];
/** The weights of all heads of all layers. */
export type Attention = readonly (readonly HeadWeights[])[];

/** A head by its place. */
export interface HeadRef {
  readonly layer: number;
  readonly head: number;
}

/** The weights of a layer, as the mean of its heads. */
export function meanOfHeads(heads: readonly HeadWeights[]): HeadWeights {
  const first = heads[0] ?? [];
  return first.map((row, token) => row.map((_, seen) => sum(heads.map((head) => head[token]?.[seen] ?? 0)) / heads.length));
}

/** Mean attention distance of a layer, in tokens: over its heads and all tokens but the first. */
export function meanDistance(heads: readonly HeadWeights[]): number {
  const back = (row: readonly number[], token: number) => sum(row.map((weight, seen) => weight * (token - seen)));
  return mean(meanOfHeads(heads).slice(1).map((row, index) => back(row, index + 1)));
}

/** Attention patterns that are easy to recognize, each with a score from 0 to 1 for a head on a text. */
export const PATTERNS = {
  before: { name: 'the token before', share: (head: HeadWeights) => meanFrom(head, 1, (row, token) => row[token - 1]) },
  itself: { name: 'the token itself', share: (head: HeadWeights) => meanFrom(head, 1, (row, token) => row[token]) },
  // The second token's only choice is between the first and itself.
  first: { name: 'the first token', share: (head: HeadWeights) => meanFrom(head, 2, (row) => row[0]) },
  all: { name: 'all tokens alike', share: (head: HeadWeights) => meanFrom(head, 1, evenness) },
} as const;

/** The name of a pattern. */
export type Pattern = keyof typeof PATTERNS;

/** The head that shows a pattern most. */
export function strongest(attention: Attention, pattern: Pattern): HeadRef & { readonly share: number } {
  const shares = attention.flatMap((heads, layer) =>
    heads.map((weights, head) => ({ layer, head, share: PATTERNS[pattern].share(weights) })),
  );
  return shares.reduce((best, found) => (found.share > best.share ? found : best), { layer: 0, head: 0, share: 0 });
}

/** The tokens with the largest weights of a row, the largest first. */
export function largestWeights(row: readonly number[], count: number): { token: number; weight: number }[] {
  const seen = row.map((weight, token) => ({ token, weight }));
  return seen.sort((a, b) => b.weight - a.weight).slice(0, count);
}

/** Normalized entropy of a row: 1 if all weights are equal, 0 if one has all. */
function evenness(row: readonly number[]): number {
  return -sum(row.map((weight) => (weight > 0 ? weight * Math.log(weight) : 0))) / Math.log(row.length);
}

function meanFrom(head: HeadWeights, start: number, figure: (row: readonly number[], token: number) => number | undefined) {
  return mean(head.slice(start).map((row, index) => figure(row, start + index) ?? 0));
}

const mean = (numbers: readonly number[]) => (numbers.length ? sum(numbers) / numbers.length : 0);
