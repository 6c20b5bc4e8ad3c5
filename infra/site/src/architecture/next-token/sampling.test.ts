import { describe, expect, test } from 'vitest';
import type { Candidate } from '../../api/types.ts';
import { sum } from '../shared/sum.ts';
import { type SamplingSettings, drawAt } from './sampling.ts';

/** Of a vocabulary of five tokens with the weights 8, 4, 2, 1, 1: the sum is 16. */
const probabilities = [8, 4, 2, 1].map((weight) => weight / 16);
const candidates: Candidate[] = probabilities.map((probability, id) => ({
  id,
  text: String(id),
  logit: 3 + Math.log(probability * 16),
  probability,
}));

const settings = (temperature: number, topK: number, topP = 1): SamplingSettings => ({ temperature, topK, topP });

const close = (found: readonly number[], expected: readonly number[]) =>
  found.forEach((number, index) => expect(number).toBeCloseTo(expected[index] ?? NaN, 12));

describe('a draw', () => {
  test('at temperature 1 follows the weights of those that are kept', () => {
    const draw = drawAt(candidates, settings(1, 3));
    // 8, 4 and 2 of 14, in units of the largest.
    close(draw.weights, [1, 1 / 2, 1 / 4, 0]);
    close(draw.chances, [8 / 14, 4 / 14, 2 / 14, 0]);
    expect(draw.total).toBeCloseTo(14 / 8, 12);
    expect(draw.kept).toBe(3);
    expect(draw.covered).toBeCloseTo(14 / 16, 12);
  });

  test('at temperature 2 follows the square roots of the weights, at a half their squares', () => {
    const roots = [8, 4, 2, 1].map(Math.sqrt);
    close(drawAt(candidates, settings(2, 4)).chances, roots.map((root) => root / sum(roots)));
    // 64 + 16 + 4 + 1 = 85
    close(drawAt(candidates, settings(0.5, 4)).chances, [64 / 85, 16 / 85, 4 / 85, 1 / 85]);
  });

  test('at top-p is among the fewest that reach it, of those that top-k keeps', () => {
    // Of 8 + 4 + 2 + 1 = 15: 8 are 53 %, 12 are 80 %, 14 are 93 %.
    close(drawAt(candidates, settings(1, 4, 0.5)).chances, [1, 0, 0, 0]);
    close(drawAt(candidates, settings(1, 4, 0.79)).chances, [8 / 12, 4 / 12, 0, 0]);
    // Of 8 + 4 + 2 = 14, 12 are 86 %.
    expect(drawAt(candidates, settings(1, 3, 0.85))).toMatchObject({ kept: 2, keptByTopK: 3 });
    expect(drawAt(candidates, settings(1, 3, 0.87))).toMatchObject({ kept: 3, keptByTopK: 3 });
    expect(drawAt(candidates, settings(1, 4, 0.01)).kept).toBe(1);
  });

  test('at temperature 0 has no choice', () => {
    const draw = drawAt(candidates, settings(0, 4));
    expect(draw.chances).toEqual([1, 0, 0, 0]);
    expect([draw.kept, draw.covered, draw.choices]).toEqual([1, 0.5, 1]);
  });

  test('among the first alone has no choice at any temperature', () => {
    expect(drawAt(candidates, settings(1.7, 1)).chances).toEqual([1, 0, 0, 0]);
  });

  test('is as open as one among as many equally likely tokens as its entropy says', () => {
    // 1/2, 1/4, 1/8, 1/8: an entropy of 1.75 bits.
    const even = candidates.map((candidate, index) => ({ ...candidate, logit: Math.log([4, 2, 1, 1][index] ?? 0) }));
    expect(drawAt(even, settings(1, 4)).choices).toBeCloseTo(2 ** 1.75, 12);
  });

  test.each([
    [0.05, 100],
    [0.7, 2],
    [1, 4],
    [2, 3],
  ])('sums to 1 at temperature %f and top-k %i', (temperature, topK) => {
    expect(sum(drawAt(candidates, settings(temperature, topK)).chances)).toBeCloseTo(1, 12);
  });

  test('stays finite with large logits', () => {
    const large = candidates.map((candidate) => ({ ...candidate, logit: candidate.logit * 1e4 }));
    expect(drawAt(large, settings(0.05, 4)).chances).toEqual([1, 0, 0, 0]);
  });

  test('of nothing is nothing', () => {
    expect(drawAt([], settings(1, 5))).toMatchObject({ chances: [], kept: 0, covered: 0 });
  });
});
