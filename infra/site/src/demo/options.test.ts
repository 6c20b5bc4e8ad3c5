import { expect, test } from 'vitest';
import { DEFAULTS, parseRanged, parseSeed, request, withSeed } from './options.ts';

test('numbers within the bounds of the API are taken, others are not', () => {
  expect(['0', '0.05', ' 100 ', '1e1'].map((text) => parseRanged('temperature', text))).toEqual([0, 0.05, 100, 10]);
  for (const text of ['', ' ', '-0.1', '100.1', 'x', 'NaN', 'Infinity']) expect(parseRanged('temperature', text)).toBeNull();
  expect(parseRanged('top_k', '1000000')).toBe(1_000_000);
  for (const text of ['0', '1.5', '1000001']) expect(parseRanged('top_k', text)).toBeNull();
  expect(['0.01', '1'].map((text) => parseRanged('top_p', text))).toEqual([0.01, 1]);
  expect(parseRanged('top_p', '0')).toBeNull();
  expect(parseRanged('max_tokens', '1001')).toBeNull();
});

test('seeds are whole numbers that a double holds', () => {
  expect(['0', '9007199254740991'].map(parseSeed)).toEqual([0, Number.MAX_SAFE_INTEGER]);
  for (const text of ['', '-1', '1.5', '9007199254740992', 'null']) expect(parseSeed(text)).toBeNull();
});

test('every text has a seed: the one that is set, or one that is drawn', () => {
  expect(withSeed({ ...DEFAULTS, seed: 0 }).seed).toBe(0);
  const drawn = [1, 2, 3].map(() => withSeed(DEFAULTS).seed);
  expect(new Set(drawn).size).toBe(3);
  for (const seed of drawn) expect(parseSeed(String(seed))).toBe(seed);
});

test('top-p of 1 is none, and so is no seed', () => {
  expect(request(DEFAULTS)).toEqual({ temperature: 0.7, top_k: 50, max_tokens: 50 });
  expect(request({ ...DEFAULTS, seed: 5 })).toEqual({ temperature: 0.7, top_k: 50, max_tokens: 50, seed: 5 });
  expect(request({ ...DEFAULTS, top_p: 0.9, seed: 5 }).top_p).toBe(0.9);
});
