import { expect, test } from 'vitest';
import type { Manifest } from '../api/types.ts';
import { columnNames } from './columns.ts';
import { age, scientific } from './format.ts';
import { type Measured, tableOf } from './rows.ts';

function model(name: string, loss: number, texts = 1): Measured {
  const corpus = Array.from({ length: texts }, (_, index) => ({ name: `${index}.txt`, sha256: `${index}`, tokens: 1000 }));
  return {
    status: 'ready',
    reason: null,
    loading: null,
    model: { name, version: 'v1', precision: 'w4' },
    model_info: { layers: 2, heads: 2, embedding_dim: 12, context_length: 64, vocab_size: 50_257, parameters: 1_210_656 },
    manifest: {
      name,
      version: 'v1',
      created_at: '2026-11-24T16:00:00Z',
      config: { d_ff: 48 },
      files: [{ path: 'model.w4.onnx', role: 'onnx', bytes: 13_914_763, sha256: '' }],
      variants: [{ precision: 'w4', file: 'model.w4.onnx', bytes: 13_914_763, kl_divergence: 0, top_1_agreement: 1 }],
      evaluation: { val_loss: loss, perplexity: Math.exp(loss), tokens: 505 },
      training: { corpus, epochs: 1, steps: 9, final_train_loss: 1, wall_seconds: 2, device: 'cpu' },
      parent: null,
      imported_from: null,
    } as unknown as Manifest,
    curve: [],
    start: null,
    answer: null,
  };
}

const row = (models: (Measured | null)[], title: string, label: string) =>
  tableOf(models)
    .find((group) => group.title === title)
    ?.rows.find((row) => row.label === label);

test('the lowest loss is marked, if a digit that is shown makes it so', () => {
  expect(row([model('a', 6.5), model('b', 6.4)], 'Losses', 'Validation text')?.best?.column).toBe(1);
  expect(row([model('a', 6.5), null, model('b', 6.4)], 'Losses', 'Validation text')?.best?.column).toBe(2);
  expect(row([model('a', 6.50001), model('b', 6.50002)], 'Losses', 'Validation text')?.best).toBeNull();
  expect(row([model('a', 6.5)], 'Losses', 'Validation text')?.best).toBeNull();
});

test('bits per byte are compared whatever the tokens are, losses are not', () => {
  const models = [model('a', 6.5), model('b', 6.4)];
  models.forEach(({ manifest }, index) => (manifest.evaluation!.bits_per_byte = 2 + index));
  expect(row(models, 'Losses', 'Bits per byte')?.best).toMatchObject({ column: 0, onText: true, perToken: false });
  expect(row(models, 'Losses', 'Validation text')?.best).toMatchObject({ column: 1, onText: true, perToken: true });
  expect(row([model('a', 6.5), model('b', 6.4)], 'Losses', 'Bits per byte')).toBeUndefined();
});

test('what is the same is known as that, once all models are', () => {
  expect(row([model('a', 6.5), model('b', 6.4)], 'Training', 'Steps')?.same).toBe(true);
  expect(row([model('a', 6.5), null], 'Training', 'Steps')?.same).toBe(false);
  expect(row([model('a', 6.5, 1), model('b', 6.5, 2)], 'Corpus', 'Texts')?.same).toBe(false);
});

test('what no model has is left out, but for speeds, which are awaited', () => {
  const models = [model('a', 6.5)];
  expect(row(models, 'Model', 'Imported from')).toBeUndefined();
  expect(row(models, 'Training', 'Tokens seen')).toBeUndefined();
  expect(row(models, 'Speed', 'Tokens per second')?.cells).toEqual([null]);
  expect(tableOf([null, null])).toEqual([]);
});

test('models of the same name are told apart', () => {
  const bases = ['http://a', 'http://b', 'https://c:81'];
  const other = { ...model('a', 1), model: { name: 'a', version: 'v1', precision: 'w8' } };
  expect(columnNames([model('a', 1), other, null], bases)).toEqual(['a w4', 'a w8', 'c:81']);
  const newer = { ...model('a', 1), model: { name: 'a', version: '20261124T160929Z-454bda5b', precision: 'w4' } };
  expect(columnNames([model('a', 1), newer], bases)).toEqual(['a v1', 'a 454bda5b']);
  expect(columnNames([model('a', 1), model('a', 1), model('b', 1)], bases)).toEqual(['a at a', 'a at b', 'b']);
});

test('numbers and times are told as people read them', () => {
  expect(scientific(0.0013020278)).toBe('0.0013');
  expect(scientific(2.4989e-5)).toBe('2.5 × 10⁻⁵');
  expect(scientific(0)).toBe('0');
  const now = Date.parse('2026-11-24T16:00:00Z');
  expect(age('2026-11-21T15:00:00Z', now)).toBe('3 days ago');
  expect(age('2026-11-24T14:59:00Z', now)).toBe('1 hour ago');
  expect(age('2026-11-24T16:00:05Z', now)).toBe('just now');
});
