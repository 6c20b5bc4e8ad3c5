/** Figures about attention weights: `[layer][head][token]` has a weight for each token up to that one. */
import { sum } from './sampling.ts';

/** The weights of one head: a row for each token that looks, up to the token itself. */
export type HeadWeights = readonly (readonly number[])[];
/** The weights of all heads of all layers. */
export type Attention = readonly (readonly HeadWeights[])[];

/** The weights of a layer, as the mean of its heads. */
export function meanOfHeads(heads: readonly HeadWeights[]): HeadWeights {
  const first = heads[0] ?? [];
  return first.map((row, token) => row.map((_, seen) => sum(heads.map((head) => head[token]?.[seen] ?? 0)) / heads.length));
}

/** How many tokens back a layer looks, as the mean of its heads and of all tokens that have one before them. */
export function looksBack(heads: readonly HeadWeights[]): number {
  const back = (row: readonly number[], token: number) => sum(row.map((weight, seen) => weight * (token - seen)));
  return mean(meanOfHeads(heads).slice(1).map((row, index) => back(row, index + 1)));
}

/** Habits that a head may have, each as a number from 0 to 1: how much of it a head shows in a text. */
export const HABITS = {
  before: { name: 'the token before', share: (head: HeadWeights) => meanFrom(head, 1, (row, token) => row[token - 1]) },
  itself: { name: 'the token itself', share: (head: HeadWeights) => meanFrom(head, 1, (row, token) => row[token]) },
  // The second token's only choice is between the first and itself.
  first: { name: 'the first token', share: (head: HeadWeights) => meanFrom(head, 2, (row) => row[0]) },
  all: { name: 'all tokens alike', share: (head: HeadWeights) => meanFrom(head, 1, evenness) },
} as const;

/** The name of a habit. */
export type Habit = keyof typeof HABITS;

/** The head that shows most of a habit. */
export function strongest(attention: Attention, habit: Habit): { layer: number; head: number; share: number } {
  const shares = attention.flatMap((heads, layer) =>
    heads.map((weights, head) => ({ layer, head, share: HABITS[habit].share(weights) })),
  );
  return shares.reduce((best, found) => (found.share > best.share ? found : best), { layer: 0, head: 0, share: 0 });
}

/** The tokens that get most of a row's weight, the most first. */
export function mostSeen(row: readonly number[], count: number): { token: number; weight: number }[] {
  const seen = row.map((weight, token) => ({ token, weight }));
  return seen.sort((a, b) => b.weight - a.weight).slice(0, count);
}

/** 1 if all weights of a row are equal, 0 if one has all: its entropy over the largest that it could have. */
function evenness(row: readonly number[]): number {
  return -sum(row.map((weight) => (weight > 0 ? weight * Math.log(weight) : 0))) / Math.log(row.length);
}

function meanFrom(head: HeadWeights, start: number, figure: (row: readonly number[], token: number) => number | undefined) {
  return mean(head.slice(start).map((row, index) => figure(row, start + index) ?? 0));
}

const mean = (numbers: readonly number[]) => (numbers.length ? sum(numbers) / numbers.length : 0);
