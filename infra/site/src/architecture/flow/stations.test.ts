import { expect, test } from 'vitest';
import type { View } from '../view.ts';
import { stations } from './stations.ts';

const view = {
  text: 'The north light',
  inspection: { tokens: [{}, {}, {}], model_info: { layers: 12, heads: 6, embedding_dim: 768, vocab_size: 50_257 } },
} as unknown as View;

test('stations have the numbers of the reader’s text', () => {
  const shown = stations(view, { text: ' of', chance: 0.3125, drawn: true });
  expect(shown.map(({ figure }) => figure)).toEqual(['“The north…”', '3 tokens', '3 × 768', '12', '12 × 6', '·of 31.3%']);
  expect(shown.at(-1)?.words).toContain('gives every one of 50,257 tokens a probability. Drawn was “ of”, with 31.3%.');
});

test('a token whose chance is not known is named without', () => {
  expect(stations(view, { text: ' of', chance: null, drawn: false }).at(-1)?.words).toContain('The likeliest is “ of”. Put');
});

test('before there is a text, stations have names only', () => {
  expect(stations(null, null).map(({ name }) => name)).toEqual(['Text', 'Tokens', 'Vectors', 'Blocks', 'Attention', 'Next token']);
  expect(new Set(stations(null, null).map(({ figure }) => figure))).toEqual(new Set(['']));
});
