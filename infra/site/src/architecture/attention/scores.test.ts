import { expect, test } from 'vitest';
import { relativeScores } from './ScoreSteps.tsx';

test('scores lead back to the weights that they come from', () => {
  // softmax(2, 1, 0) = e^2, e, 1 over 11.107 = 0.6652, 0.2447, 0.0900; relative to the largest: 0, -1, -2.
  const scores = relativeScores([0.66524096, 0.24472847, 0.09003057]);
  [0, -1, -2].forEach((score, index) => expect(scores[index]).toBeCloseTo(score, 5));
  expect(relativeScores([1, 0])).toEqual([0, -Infinity]);
});
