import { expect, test } from 'vitest';
import type { Manifest } from '../api/types.ts';
import { incomparable } from './validation.ts';

const manifest = (texts: string[], more: { fraction?: number; tokenizer?: string; tokens?: number; bytes?: number } = {}) =>
  ({
    tokenizer: { name: 'gpt2', sha256: more.tokenizer ?? 't' },
    evaluation: { tokens: more.tokens ?? 100, text_bytes: more.bytes ?? 400 },
    training: {
      corpus: texts.map((sha256) => ({ name: `${sha256}.txt`, sha256, tokens: 1000 })),
      hyper_parameters: { train_fraction: more.fraction ?? 0.9 },
    },
  }) as unknown as Manifest;

test('losses of one text can be compared, in whatever order the corpus is', () => {
  expect(incomparable([])).toBeNull();
  expect(incomparable([manifest(['a'])])).toBeNull();
  expect(incomparable([manifest(['a', 'b']), manifest(['b', 'a'])])).toBeNull();
});

test('losses of different texts, parts or tokens cannot', () => {
  expect(incomparable([manifest(['a']), manifest(['a']), manifest(['a', 'b'])])).toBe('corpus');
  expect(incomparable([manifest(['a']), manifest(['a'], { fraction: 0.8 })])).toBe('split');
  expect(incomparable([manifest(['a']), manifest(['a'], { tokens: 99 })])).toBe('split');
  expect(incomparable([manifest(['a']), manifest(['a'], { tokenizer: 'u', tokens: 130, bytes: 403 })])).toBe('tokenizer');
  expect(incomparable([manifest(['a']), manifest(['a'], { tokenizer: 'u', tokens: 130, bytes: 800 })])).toBe('split');
  expect(incomparable([manifest(['a']), { ...manifest(['a']), training: null }])).toBe('unknown');
});
