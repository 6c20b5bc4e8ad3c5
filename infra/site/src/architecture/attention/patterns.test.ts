import { expect, test } from 'vitest';
import { type Attention, PATTERNS, largestWeights, meanDistance, meanOfHeads, strongest } from './patterns.ts';

/** Every token takes all from the one before it, from itself, from the first, or the same from each. */
const before = [[1], [1, 0], [0, 1, 0]];
const itself = [[1], [0, 1], [0, 0, 1]];
const first = [[1], [1, 0], [1, 0, 0]];
const all = [[1], [1 / 2, 1 / 2], [1 / 3, 1 / 3, 1 / 3]];

test('the mean of heads is a mean, weight by weight', () => {
  expect(meanOfHeads([before, itself])).toEqual([[1], [0.5, 0.5], [0, 0.5, 0.5]]);
});

test('the distance of a layer is the mean of its heads', () => {
  // Tokens 1 and 2 look 1 back in one head and 0 in the other.
  expect(meanDistance([before, itself])).toBe(0.5);
  // 1 and 2 back.
  expect(meanDistance([first])).toBe(1.5);
  expect(meanDistance([[[1]]])).toBe(0);
});

test('patterns are told apart', () => {
  const attention: Attention = [
    [before, itself],
    [all, first],
  ];
  expect(strongest(attention, 'before')).toEqual({ layer: 0, head: 0, share: 1 });
  expect(strongest(attention, 'itself')).toEqual({ layer: 0, head: 1, share: 1 });
  expect(strongest(attention, 'first')).toEqual({ layer: 1, head: 1, share: 1 });
  expect(strongest(attention, 'all')).toMatchObject({ layer: 1, head: 0 });
  expect(PATTERNS.all.share(all)).toBeCloseTo(1, 12);
  expect(PATTERNS.all.share(before)).toBe(0);
});

test('the largest weight comes first', () => {
  expect(largestWeights([0.2, 0.5, 0.3], 2)).toEqual([
    { token: 1, weight: 0.5 },
    { token: 2, weight: 0.3 },
  ]);
});
