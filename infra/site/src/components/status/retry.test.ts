import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { later, waitMs } from './retry.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('each wait is twice as long, up to a minute', () => {
  expect([1, 2, 3, 4, 5, 50].map((failures) => waitMs(failures))).toEqual([5000, 10_000, 20_000, 40_000, 60_000, 60_000]);
});

test('what the server asks for is heeded, within reason', () => {
  expect([1, 2, 9].map((failures) => waitMs(failures, 2))).toEqual([2000, 4000, 60_000]);
  expect([1, 2, 9].map((failures) => waitMs(failures, 0))).toEqual([1000, 2000, 60_000]);
  expect([1, 2, 9].map((failures) => waitMs(failures, 300))).toEqual([300_000, 300_000, 300_000]);
});

test('nothing is done while nobody looks, and at once when somebody does', () => {
  const page = Object.assign(new EventTarget(), { hidden: true });
  vi.stubGlobal('document', page);
  const act = vi.fn();
  later(act, 1000);
  const callOff = later(act, 1000);
  vi.advanceTimersByTime(60_000);
  expect(act).not.toHaveBeenCalled();
  callOff();
  page.hidden = false;
  page.dispatchEvent(new Event('visibilitychange'));
  expect(act).toHaveBeenCalledTimes(1);
  later(act, 1000);
  vi.advanceTimersByTime(999);
  expect(act).toHaveBeenCalledTimes(1);
  vi.advanceTimersByTime(1);
  expect(act).toHaveBeenCalledTimes(2);
});
