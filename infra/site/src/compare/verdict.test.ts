import { expect, test } from 'vitest';
import type { Manifest } from '../api/types.ts';
import { type Judged, verdictOn } from './verdict.ts';

interface Numbers {
  train?: number;
  val?: number;
  text?: string;
  tokenizer?: string;
  bits?: number;
  version?: string;
  precision?: string;
}

function model(name: string, { train = 3, val = 3.2, text = 'a', tokenizer = 't', bits, version = name, precision = 'w4' }: Numbers = {}): Judged {
  const manifest = {
    name,
    version,
    config: { vocab_size: 50_257 },
    tokenizer: { name: tokenizer, sha256: tokenizer },
    variants: [
      { precision: 'w4', val_loss: 3.25 },
      { precision: 'w8', val_loss: 3.2 },
    ],
    evaluation: { val_loss: val, tokens: tokenizer === 't' ? 100 : 130, text_bytes: 400, ...(bits !== undefined && { bits_per_byte: bits }) },
    training: { corpus: [{ sha256: text }], hyper_parameters: { train_fraction: 0.9 }, final_train_loss: train, final_val_loss: val },
  };
  return { name, manifest: manifest as unknown as Manifest, precision };
}

// e^-0.37 = 0.6907 and e^-6.47 = 0.00155; ln 50257 = 10.825, of which seven tenths are 7.577.
test.each([
  [
    { train: 0.37, val: 6.47 },
    'A has learned its training text by heart: there it gives the right next token a typical chance of 69.1% (loss 0.370), in text that it has not seen 0.2% (loss 6.470).',
  ],
  [
    { train: 3, val: 4.2 },
    'A overfits: its loss is 3.000 on its training text, but 4.200 on text that it has not seen. Part of what it learned holds for its training text alone.',
  ],
  // A gap of 0.2, and a tenth of 3.2 is 0.32.
  [{ train: 3, val: 3.2 }, 'A generalizes: it predicts text that it has not seen nearly as well as its training text (loss 3.200 against 3.000).'],
  [
    { train: 7.6, val: 8 },
    'A has learned little so far: its loss on text that it has not seen is 8.000, and guessing at random among 50,257 tokens has 10.825.',
  ],
])('one model, with %j', (numbers, expected) => {
  expect(verdictOn([model('A', numbers)])).toEqual([expected]);
});

test('nothing is said without models, and little about one whose training is unknown', () => {
  expect(verdictOn([])).toEqual([]);
  const imported = model('A');
  imported.manifest.training = null;
  expect(verdictOn([imported])).toEqual(['A: its manifest has no losses of a training, so they cannot tell what it learned.']);
});

const first = (...models: Judged[]) => verdictOn(models)[0];

test('a lower training loss that was learned by heart does not win', () => {
  expect(first(model('A', { train: 0.37, val: 6.47 }), model('B', { train: 3, val: 3.2 }))).toBe(
    'A has the lower training loss (0.370 against 3.000), but has learned by heart. ' +
      'B generalizes better: its loss on text that it has not seen is 3.200, that of A 6.470.',
  );
  expect(first(model('A', { train: 2, val: 4 }), model('B', { train: 3, val: 3.2 }))).toBe(
    'A has the lower training loss (2.000 against 3.000), but that is of text that it has seen. ' +
      'B generalizes better: its loss on text that it has not seen is 3.200, that of A 4.000.',
  );
});

test('the better of models with comparable losses is named, and each is judged', () => {
  expect(verdictOn([model('A', { train: 3, val: 3.2 }), model('B', { train: 2.9, val: 3.1 })])).toEqual([
    'B generalizes better: its loss on text that it has not seen is 3.100, that of A 3.200.',
    'A generalizes: it predicts text that it has not seen nearly as well as its training text (loss 3.200 against 3.000).',
    'B generalizes: it predicts text that it has not seen nearly as well as its training text (loss 3.100 against 2.900).',
  ]);
  expect(first(model('A', { val: 3.2001 }), model('B', { val: 3.2002 }))).toBe('A and B predict new text equally well: their loss on it is 3.200.');
});

test('models with other tokens are compared by bits per byte', () => {
  const differ = 'Their tokens differ, so their losses per token cannot be compared';
  expect(first(model('A', { val: 3, bits: 1.45 }), model('B', { val: 4, tokenizer: 'u', bits: 1.2 }))).toBe(
    `${differ}. By bits per byte of the same text B is better: 1.200, and A has 1.450.`,
  );
  expect(first(model('A', { bits: 1.2 }), model('B', { tokenizer: 'u', bits: 1.2 }))).toBe(`${differ}. By bits per byte they are equally good: 1.200.`);
  expect(first(model('A', { bits: 1.2 }), model('B', { tokenizer: 'u' }))).toBe(
    `${differ}, and not every manifest has the bits per byte, which could be.`,
  );
});

test('models of different texts have no winner', () => {
  expect(first(model('A'), model('B', { text: 'b' }))).toBe(
    'Which one is better cannot be told from their losses: they were trained and tested on different texts.',
  );
});

test('one version in two precisions learned the same', () => {
  expect(verdictOn([model('A', { version: '1' }), model('A', { version: '1', precision: 'w8' })])).toEqual([
    'These are one version, so they learned the same; they differ by how exactly their weights are stored: ' +
      '4-bit weights (loss on new text 3.250), 8-bit weights (loss on new text 3.200).',
  ]);
});
