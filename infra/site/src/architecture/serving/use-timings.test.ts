import { expect, test } from 'vitest';
import { median } from './use-timings.ts';

test('a median is not moved by one outlier', () => {
  expect(median([3, 900, 1])).toBe(3);
  expect(median([4, 1, 2, 3])).toBe(2.5);
  expect(median([null, 2])).toBe(2);
  expect(median([null])).toBeNull();
});
