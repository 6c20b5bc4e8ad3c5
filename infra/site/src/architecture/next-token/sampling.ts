/** Temperature, top-k and top-p sampling, as the server does it, for the candidates that `/inspect` returns. */
import type { Candidate } from '../../api/types.ts';
import { sum } from '../shared/sum.ts';

/** How a token is drawn. */
export interface SamplingSettings {
  readonly temperature: number;
  readonly topK: number;
  /** 1 cuts nothing. */
  readonly topP: number;
}

/** The settings as a request has them. */
export function toRequest({ temperature, topK, topP }: SamplingSettings) {
  return { temperature, top_k: topK, ...(topP < 1 && { top_p: topP }) };
}

/** The distribution that a token is drawn from. */
export interface Draw {
  /** `exp((logit - largest) / temperature)` for each candidate; 0 for those that are cut. */
  readonly weights: readonly number[];
  /** The sum of the weights. */
  readonly total: number;
  /** Weights over their sum: how likely each candidate is to be drawn. */
  readonly chances: readonly number[];
  /** How many candidates can be drawn, and how many of them top-k alone would keep. */
  readonly kept: number;
  readonly keptByTopK: number;
  /** Probability of the kept candidates at temperature 1 and among all tokens. */
  readonly covered: number;
  /** Perplexity of the draw: `exp` of its entropy. */
  readonly choices: number;
}

/**
 * The draw at a temperature among the `topK` most likely of `candidates`, which come most likely first, and among the
 * first of these that together have the share `topP` of their weight. It is exact if there are `topK` candidates, since
 * tokens that are cut do not count. Temperature 0 is greedy.
 */
export function drawAt(candidates: readonly Candidate[], { temperature, topK, topP }: SamplingSettings): Draw {
  const largest = candidates[0]?.logit ?? 0;
  const keptByTopK = temperature === 0 ? Math.min(1, candidates.length) : Math.min(topK, candidates.length);
  const tempered = candidates.slice(0, keptByTopK).map(({ logit }) => (temperature === 0 ? 1 : Math.exp((logit - largest) / temperature)));
  const kept = nucleus(tempered, topP);
  const weights = candidates.map((_, rank) => (rank < kept ? (tempered[rank] ?? 0) : 0));
  const total = sum(weights);
  const chances = weights.map((weight) => weight / total);
  const entropy = -sum(chances.map((chance) => (chance > 0 ? chance * Math.log(chance) : 0)));
  return {
    weights,
    total,
    chances,
    kept,
    keptByTopK,
    covered: sum(candidates.slice(0, kept).map(({ probability }) => probability)),
    choices: Math.exp(entropy),
  };
}

/** How many of the first weights together reach the share `topP` of all. */
function nucleus(weights: readonly number[], topP: number): number {
  if (topP >= 1) return weights.length;
  const wanted = topP * sum(weights);
  let reached = 0;
  const last = weights.findIndex((weight) => (reached += weight) >= wanted);
  return last < 0 ? weights.length : last + 1;
}
