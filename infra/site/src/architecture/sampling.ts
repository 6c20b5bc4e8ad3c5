/** From logits to the draw: what the sampler of the server does, for the tokens that `/inspect` tells of. */
import type { Candidate } from '../api/types.ts';

/** What a draw chooses from. */
export interface Draw {
  /** `exp((logit - largest) / temperature)` for each candidate; 0 for those that are cut. */
  readonly weights: readonly number[];
  /** The sum of the weights. */
  readonly total: number;
  /** Weights over their sum: how likely each candidate is to be drawn. */
  readonly chances: readonly number[];
  /** How many candidates can be drawn. */
  readonly kept: number;
  /** What the model by itself, at temperature 1 and among all tokens, gives to those that are kept. */
  readonly covered: number;
  /** Among how many equally likely tokens a draw would be as uncertain: `exp` of the entropy. */
  readonly choices: number;
}

/**
 * The draw at a temperature among the `topK` most likely of `candidates`, which come most likely first. It is
 * exact if there are `topK` candidates: tokens that are cut have no part in it. Temperature 0 is greedy.
 */
export function drawAt(candidates: readonly Candidate[], temperature: number, topK: number): Draw {
  const largest = candidates[0]?.logit ?? 0;
  const kept = temperature === 0 ? Math.min(1, candidates.length) : Math.min(topK, candidates.length);
  const weights = candidates.map(({ logit }, rank) => {
    if (rank >= kept) return 0;
    return temperature === 0 ? 1 : Math.exp((logit - largest) / temperature);
  });
  const total = sum(weights);
  const chances = weights.map((weight) => weight / total);
  const entropy = -sum(chances.map((chance) => (chance > 0 ? chance * Math.log(chance) : 0)));
  return {
    weights,
    total,
    chances,
    kept,
    covered: sum(candidates.slice(0, kept).map(({ probability }) => probability)),
    choices: Math.exp(entropy),
  };
}

/** The sum of some numbers. */
export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
