import { expect, test } from 'vitest';
import type { LoadedModel } from '../api/loaded-model.ts';
import { disclosure } from './disclosure.ts';

/** As much of a loaded model as the line is about. */
function model(manifest: object): LoadedModel {
  return {
    model_info: { parameters: 1_234_567 },
    manifest: { name: 'tiny', training: null, imported_from: null, parent: null, ...manifest },
  } as unknown as LoadedModel;
}

const ANSWERS =
  'It answers briefly, from what it has read there, and can be wrong: it knows nothing else, and looks nothing up.';
const CONTINUES = 'It continues what you write; it does not answer.';

test('a model says how large it is, what it has read, and what it does', () => {
  const training = {
    corpus: [
      { name: 'story.txt', tokens: 5000 },
      { name: 'questions.jsonl', tokens: 240 },
    ],
    epochs: 10,
  };
  const size = 'tiny is a small language model of 1.2 million parameters';
  const read = `${size}, trained on story.txt, questions.jsonl (5,240 tokens, read 10 times)`;
  expect(disclosure(model({ training }), true)).toBe(`${read}. ${ANSWERS}`);
  expect(disclosure(model({ training }), false)).toBe(`${read}. ${CONTINUES}`);
  expect(disclosure(model({ training, parent: 'base/1' }), true)).toBe(`${read}, starting from base/1. ${ANSWERS}`);
  expect(disclosure(model({ training: { ...training, epochs: 1 } }), false)).toContain('read once');
  expect(disclosure(model({ imported_from: { file: 'gpt2.safetensors' } }), false)).toBe(
    `${size}, imported from gpt2.safetensors. ${CONTINUES}`,
  );
  expect(disclosure(model({}), false)).toContain('nobody has noted');
});
