import { expect, test } from 'vitest';
import { parseKept } from './kept.ts';
import { DEFAULTS } from './options.ts';

const request = { prompt: 'The', max_tokens: 5, temperature: 0.7, top_k: 50, seed: 1 };
const result = { tokens_generated: 5, timing: { total_ms: 1, first_token_ms: 1, tokens_per_second: 9 }, model: { name: 'a' } };
const written = { request, text: ' tide', phase: 'done', result, error: null };
const stored = (more: object) => JSON.stringify({ columns: ['a', 'b'], prompt: 'The', options: { ...DEFAULTS, top_k: '7' }, answers: [written, null], ...more });

test('a page comes back as it was', () => {
  expect(parseKept(stored({}), ['a', 'b'])).toEqual({ prompt: 'The', options: { ...DEFAULTS, top_k: '7' }, answers: [written, null] });
});

test('an answer that was being written has stopped, one without text is gone', () => {
  const answers = [{ ...written, phase: 'writing', result: null }, { ...written, text: '', phase: 'waiting', result: null }];
  expect(parseKept(stored({ answers }), ['a', 'b'])?.answers).toEqual([{ ...written, phase: 'stopped', result: null }, null]);
});

test('that of other columns, or of another form, is not taken', () => {
  expect(parseKept(stored({}), ['a'])).toBeNull();
  expect(parseKept(null, ['a', 'b'])).toBeNull();
  expect(parseKept(stored({ answers: 'none' }), ['a', 'b'])).toBeNull();
  expect(parseKept(stored({ options: { top_k: 7 }, answers: [{ text: 1 }] }), ['a', 'b'])).toEqual({
    prompt: 'The',
    options: DEFAULTS,
    answers: [null, null],
  });
});
