import { expect, test } from 'vitest';
import { fewerLineEnds } from './line-ends.ts';

test.each([
  ['a\nb\n\nc', 'a\nb\n\nc'],
  ['a\n\n\nb', 'a\n\nb'],
  ['a\n\n\n\n\n\nb\n\n\n', 'a\n\nb\n\n'],
  ['a\r\n\r\n\r\nb', 'a\r\n\r\nb'],
  ['a\n \n\t\n  b', 'a\n\n  b'],
])('%j shows as %j', (text, shown) => {
  expect(fewerLineEnds(text)).toBe(shown);
});
