import { expect, test } from 'vitest';
import { DEFAULTS, FIELDS, type Option, faultOf, toSampling } from './options.ts';

const fault = (name: Option, text: string) => faultOf(FIELDS.find((field) => field.name === name)!, text);

test('the defaults are valid, and so are the ends of each range', () => {
  for (const field of FIELDS) {
    for (const text of [DEFAULTS[field.name], String(field.min), String(field.max)]) expect(faultOf(field, text)).toBeNull();
  }
});

test('an invalid number is told its range', () => {
  expect(fault('max_tokens', '2000')).toBe('Length, tokens is a whole number from 1 to 1,000.');
  expect(fault('max_tokens', '1.5')).toBe('Length, tokens is a whole number from 1 to 1,000.');
  expect(fault('top_p', '')).toBe('Top-p is a number from 0.01 to 1.');
  expect(fault('temperature', 'warm')).toBe('Temperature is a number from 0 to 100.');
  expect(fault('seed', '-1')).toBe('Seed is a whole number from 0 to 9,007,199,254,740,991.');
});

test('a request has what the fields say', () => {
  expect(toSampling({ ...DEFAULTS, seed: '7' })).toEqual({ max_tokens: 50, temperature: 0.7, top_k: 50, seed: 7 });
  expect(toSampling({ ...DEFAULTS, top_p: '0.5', temperature: '0' })).toMatchObject({ top_p: 0.5, temperature: 0, seed: expect.any(Number) });
});
