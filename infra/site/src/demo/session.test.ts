import { expect, test } from 'vitest';
import { DEFAULTS } from './options.ts';
import { asked } from './run.ts';
import { parseSession } from './session.ts';

const stopped = { ...asked('a', { ...DEFAULTS, seed: 7 }), text: 'b', phase: 'stopped', elapsedMs: 12 };

test('a session comes back as it was kept', () => {
  for (const session of [
    { prompt: 'a', options: { ...DEFAULTS, seed: 7 }, run: stopped },
    { prompt: null, options: DEFAULTS, run: null },
  ]) {
    expect(parseSession(JSON.stringify(session))).toEqual(session);
  }
});

test('what is no session is none, and a broken text in one is left out', () => {
  const broken = { prompt: 'a', options: { ...DEFAULTS, top_k: 0 }, run: null };
  for (const stored of [null, '', 'x', '1', '{}', JSON.stringify(broken)]) expect(parseSession(stored)).toBeNull();
  const session = { prompt: 1, options: DEFAULTS, run: { ...stopped, phase: 'writing' } };
  expect(parseSession(JSON.stringify(session))).toEqual({ prompt: null, options: DEFAULTS, run: null });
});
