/** Temperature and top-k sampling, as the server does it, for the candidates that `/inspect` returns. */
import type { Candidate } from '../../api/types.ts';
import { sum } from '../shared/sum.ts';

/** How a token is drawn. */
export interface SamplingSettings {
  readonly temperature: number;
  readonly topK: number;
}

/** The distribution that a token is drawn from. */
export interface Draw {
  /** `exp((logit - largest) / temperature)` for each candidate; 0 for those that are cut. */
  readonly weights: readonly number[];
  /** The sum of the weights. */
  readonly total: number;
  /** Weights over their sum: how likely each candidate is to be drawn. */
  readonly chances: readonly number[];
  /** How many candidates can be drawn. */
  readonly kept: number;
  /** Probability of the kept candidates at temperature 1 and among all tokens. */
  readonly covered: number;
  /** Perplexity of the draw: `exp` of its entropy. */
  readonly choices: number;
}

/**
 * The draw at a temperature among the `topK` most likely of `candidates`, which come most likely first. It is
 * exact if there are `topK` candidates, since tokens that are cut do not count. Temperature 0 is greedy.
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
