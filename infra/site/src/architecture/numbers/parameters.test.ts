import { expect, test } from 'vitest';
import { parameterParts } from './parameters.ts';

const config = {
  vocab_size: 50257,
  context_length: 256,
  d_model: 768,
  n_layers: 12,
  n_heads: 12,
  d_ff: 3072,
  dropout: 0.1,
  qkv_bias: false,
  tied_output_head: false,
};

test('the parts of the GPT-2 shape of LLMs-from-scratch (chapter 4) are its 162,419,712 parameters', () => {
  const parts = parameterParts(config, 162_419_712);
  expect(parts?.map(({ parameters }) => parameters)).toEqual([
    38_597_376, // 50,257 × 768
    196_608, // 256 × 768
    28_320_768, // 12 × (4 × 768² + 768)
    56_669_184, // 12 × (2 × 768 × 3,072 + 3,072 + 768)
    38_400, // 25 × 2 × 768
    38_597_376, // 768 × 50,257
  ]);
});

test('a bias of queries, keys and values is part of attention, and a tied head is none', () => {
  const parts = parameterParts({ ...config, qkv_bias: true, tied_output_head: true }, 162_419_712 + 12 * 3 * 768 - 38_597_376);
  expect(parts?.at(2)?.parameters).toBe(28_320_768 + 12 * 3 * 768);
  expect(parts?.at(-1)?.parameters).toBe(0);
});

test('a model that is built in another way is not explained wrongly', () => {
  expect(parameterParts(config, 162_419_713)).toBeNull();
});
