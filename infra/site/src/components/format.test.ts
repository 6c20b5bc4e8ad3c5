import { expect, test } from 'vitest';
import { bytes, count, large, loss, milliseconds, percent, precision, seconds, time } from './format.ts';

test('counts and sizes', () => {
  expect([0, 999, 50257].map(count)).toEqual(['0', '999', '50,257']);
  expect([5240, 1210656, 9_999_999, 162_419_712, 1.5e9].map(large)).toEqual(['5,240', '1.2 million', '10 million', '162 million', '1.5 billion']);
  expect([0, 999, 1000, 13_914_763, 650e6, 2.5e9, 7e12].map(bytes)).toEqual(['0 bytes', '999 bytes', '1 kB', '13.9 MB', '650 MB', '2.5 GB', '7,000 GB']);
});

test('durations', () => {
  expect([0, 0.1296, 0.999, 2.34, 99.94, 99.96, 258.2, 3599.9, 7325].map(seconds)).toEqual([
    '0.00s', '0.13s', '1.0s', '2.3s', '99.9s', '1 min 40 s', '4 min 18 s', '1 h 0 min', '2 h 2 min',
  ]);
  expect([0.21, 6, 41.9, 999.6, 2886.9].map(milliseconds)).toEqual(['0.21 ms', '6 ms', '42 ms', '1.0s', '2.9s']);
  expect(time('2026-11-24T09:03:52Z')).toBe('24 Nov 2026, 09:03 UTC');
});

test('losses, shares and precisions', () => {
  expect(loss(6.5884454)).toBe('6.588');
  expect([0, 0.0004, 0.0005, 0.5, 1].map((share) => percent(share))).toEqual(['0.0%', '< 0.1%', '< 0.1%', '50.0%', '100.0%']);
  expect(percent(0.123456, 2)).toBe('12.35%');
  expect(['w4', 'w8', 'float32'].map(precision)).toEqual(['4-bit weights', '8-bit weights', 'float32']);
});
