import { expect, test } from 'vitest';
import { DEFAULTS } from './options.ts';
import { asked } from './run.ts';
import { fromFragment, isOf, toFragment } from './share.ts';

test.each(['plain', 'a & b = c # d % e + f', 'lines\n\tand\r\nmore', 'ä😀"\'<img>', ' around ', ''])('%j comes back as it was shared', (prompt) => {
  const shared = { prompt, options: { temperature: 1.3, top_k: 7, top_p: 0.95, max_tokens: 120, seed: 42 }, model: 'tiny/1' };
  expect(fromFragment(toFragment(shared))).toEqual(shared);
});

test('what is left out or out of range is as if nobody had set it', () => {
  const nothing = { prompt: 'a', options: DEFAULTS, model: null };
  expect(fromFragment('#prompt=a')).toEqual(nothing);
  expect(fromFragment('#prompt=a&temperature=-1&top_k=x&top_p=2&max_tokens=1e9&seed=1.5')).toEqual(nothing);
  expect(fromFragment(toFragment(nothing))).toEqual(nothing);
});

test('other fragments share nothing', () => {
  for (const fragment of ['', '#', '#main', '#temperature=1']) expect(fromFragment(fragment)).toBeNull();
});

test('a text is that of a link with its prompt, settings and seed', () => {
  const run = asked('a', { ...DEFAULTS, seed: 7 });
  const link = { prompt: 'a', options: { ...DEFAULTS, seed: 7 }, model: null };
  expect(isOf(run, link)).toBe(true);
  expect(isOf(run, { ...link, options: DEFAULTS })).toBe(true);
  expect(isOf(run, { ...link, prompt: 'b' })).toBe(false);
  expect(isOf(run, { ...link, options: { ...link.options, seed: 8 } })).toBe(false);
  expect(isOf(run, { ...link, options: { ...link.options, top_k: 8 } })).toBe(false);
});
