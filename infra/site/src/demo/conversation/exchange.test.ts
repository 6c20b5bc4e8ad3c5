import { expect, test } from 'vitest';
import { type Exchange, ending, isActive, messages } from './exchange.ts';

const done: Exchange = {
  id: 1,
  question: 'Who?',
  answer: 'Rickham.',
  phase: 'done',
  result: { model: 'a/1', finish_reason: 'stop', dropped: 0 },
};

test('what was said before is sent, the oldest first', () => {
  expect(messages([done, { ...done, question: 'And?', answer: '' }], 'Why?')).toEqual({
    sent: [
      { role: 'user', content: 'Who?' },
      { role: 'assistant', content: 'Rickham.' },
      { role: 'user', content: 'And?' },
      { role: 'assistant', content: '' },
      { role: 'user', content: 'Why?' },
    ],
    dropped: 0,
  });
});

test('what is too much for a request is left out, whole exchanges of the oldest', () => {
  const long = { ...done, question: 'x'.repeat(8000), answer: 'y'.repeat(100) };
  // 8100, 8100 and 300 characters: the first two are more than 16,384 with the last.
  const { sent, dropped } = messages([long, long], 'z'.repeat(300));
  expect([sent.length, dropped]).toEqual([3, 2]);
  expect(messages([long, long], 'z'.repeat(184)).dropped).toBe(0);
  expect(messages([long, long], 'z'.repeat(185)).dropped).toBe(2);
  // 1,025 messages are one too many.
  expect(messages(Array(512).fill(done), '?').dropped).toBe(2);
  expect(messages(Array(511).fill(done), '?').dropped).toBe(0);
  // The question stays, however long it is.
  expect(messages([done], 'z'.repeat(20_000))).toEqual({ sent: [{ role: 'user', content: 'z'.repeat(20_000) }], dropped: 2 });
});

test('an exchange is active until its answer has ended, and says how', () => {
  expect([isActive(undefined), isActive(done), isActive({ ...done, phase: 'waiting' }), isActive({ ...done, phase: 'writing' })]).toEqual([
    false,
    false,
    true,
    true,
  ]);
  expect(ending({ ...done, phase: 'writing', result: null })).toBeNull();
  expect(ending(done)).toBe('the answer is complete');
  expect(ending({ ...done, result: { model: 'a/1', finish_reason: 'length', dropped: 0 } })).toContain('cut off');
  expect(ending({ ...done, phase: 'stopped', result: null })).toBe('stopped');
});
