import { expect, test } from 'vitest';
import { charactersOf, plural, quoted, visible } from './pieces.ts';

test('what cannot be seen gets a mark', () => {
  expect(visible(' a b')).toBe('·a·b');
  expect(visible('\n\t')).toBe('↵⇥');
  expect(quoted(' a\n')).toBe('“ a\\n”');
});

test('a character is one, however many tokens and code units it takes', () => {
  expect([charactersOf('a😀b'), charactersOf('ä'), charactersOf('')]).toEqual([3, 1, 0]);
});

test('one is not many', () => {
  expect([plural(1, 'token'), plural(0, 'token'), plural(50257, 'token')]).toEqual(['1 token', '0 tokens', '50,257 tokens']);
});
