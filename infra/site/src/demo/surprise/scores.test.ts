import { expect, test } from 'vitest';
import { bitsPerByte, levelOf, piecesOf } from './scores.ts';

const half = Math.log(0.5);

test('tokens are pieces with their probabilities, and the first has none', () => {
  const pieces = piecesOf({
    text: 'The lamp',
    logprobs: {
      tokens: ['The', ' lamp'],
      token_logprobs: [null, Math.log(0.25)],
      top_logprobs: [null, { ' lamp': Math.log(0.25), ' 1': half }],
      text_offset: [0, 3],
    },
  });
  expect(pieces).toMatchObject([
    { text: 'The', start: 0, probability: null, likeliest: [] },
    { text: ' lamp', start: 3, likeliest: [{ text: ' 1' }, { text: ' lamp' }] },
  ]);
  expect(pieces[1]?.probability).toBeCloseTo(0.25, 12);
  // 2 bits for 5 bytes.
  expect(bitsPerByte(pieces)).toBeCloseTo(0.4, 12);
  expect(bitsPerByte(pieces.slice(0, 1))).toBeNull();
});

test('tokens that share a character are one piece', () => {
  // An emoji of four bytes in two tokens, between letters.
  const pieces = piecesOf({
    text: 'a😀b',
    logprobs: {
      tokens: ['a', 'bytes:\\xf0\\x9f', 'bytes:\\x98\\x80', 'b'],
      token_logprobs: [null, half, half, half],
      top_logprobs: [null, {}, {}, {}],
      text_offset: [0, 1, 1, 2],
    },
  });
  expect(pieces.map(({ text, start }) => [text, start])).toEqual([
    ['a', 0],
    ['😀', 1],
    ['b', 2],
  ]);
  expect(pieces[1]?.probability).toBeCloseTo(0.25, 12);
  // 3 bits for 5 bytes.
  expect(bitsPerByte(pieces)).toBeCloseTo(0.6, 12);
});

test('levels begin at their least probability', () => {
  expect([1, 0.5, 0.49, 0.1, 0.01, 0.001, 0.0009, 0].map(levelOf)).toEqual([0, 0, 1, 1, 2, 3, 4, 4]);
});
