import { expect, test } from 'vitest';
import { facts } from './Facts.tsx';
import { parseHistory } from './history.ts';
import { DEFAULTS } from './options.ts';
import type { Run } from './run.ts';

const model = { name: 'tiny', version: '1', precision: 'w4' };
const done: Run = {
  id: 1,
  prompt: 'a',
  text: 'b',
  options: { ...DEFAULTS, seed: 7 },
  phase: 'done',
  elapsedMs: 2400,
  firstTokenMs: 41.7,
  result: { tokens: 50, finishReason: 'length', timing: { first_token_ms: 6.1, total_ms: 2340, tokens_per_second: 21.4 }, model },
};
const stopped: Run = { ...done, phase: 'stopped', result: null };

test('a history comes back as it was kept', () => {
  expect(parseHistory(JSON.stringify([done, stopped]))).toEqual([done, stopped]);
  expect(parseHistory(null)).toEqual([]);
  // Earlier versions of the page did not measure when the first words came.
  const { firstTokenMs: _, ...earlier } = done;
  expect(parseHistory(JSON.stringify([earlier]))).toEqual([{ ...done, firstTokenMs: null }]);
});

test('what is no history is none, and what is broken in one is left out', () => {
  for (const stored of ['', 'x', '1', 'null', '{}', '[null, 1, "a", {}]']) expect(parseHistory(stored)).toEqual([]);
  const broken = [
    { ...done, options: { ...DEFAULTS } },
    { ...done, options: { ...done.options, top_k: 0 } },
    { ...done, result: null },
    { ...done, result: { ...done.result, timing: {} } },
    { ...done, phase: 'writing' },
    { ...done, text: 1 },
    { ...done, firstTokenMs: 'soon' },
  ];
  expect(parseHistory(JSON.stringify([...broken, done]))).toEqual([done]);
});

test('facts are those of the API, or what the reader saw', () => {
  expect(facts(done)).toEqual(['Generated in 2.3s', '50 tokens', '21.4 tokens/s', 'first token after 42 ms', 'seed 7']);
  expect(facts({ ...done, result: done.result && { ...done.result, tokens: 1, finishReason: 'deadline' } })).toEqual(
    expect.arrayContaining(['1 token', 'ended by the time limit']),
  );
  expect(facts({ ...done, firstTokenMs: null })).not.toEqual(expect.arrayContaining([expect.stringContaining('first token')]));
  expect(facts(stopped)).toEqual(['Stopped after 2.4s', 'seed 7']);
  expect(facts({ ...stopped, phase: 'failed' })[0]).toBe('Failed after 2.4s');
});
