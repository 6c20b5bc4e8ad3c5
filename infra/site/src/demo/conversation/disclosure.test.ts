import { expect, test } from 'vitest';
import type { LoadedModel } from '../../api/loaded-model.ts';
import { disclosure } from './disclosure.ts';

/** As much of a loaded model as the line is about. */
function model(manifest: object): LoadedModel {
  return { model_info: { parameters: 1_234_567 }, manifest: { name: 'tiny', training: null, imported_from: null, parent: null, ...manifest } } as unknown as LoadedModel;
}

const REST = 'It answers briefly, from what it has read there, and can be wrong: it knows nothing else, and looks nothing up.';

test('a model says how large it is, and what it was trained on', () => {
  const training = { corpus: [{ name: 'story.txt' }, { name: 'questions.jsonl' }] };
  const size = 'tiny is a small language model of 1.2 million parameters';
  expect(disclosure(model({ training }))).toBe(`${size}, trained on story.txt, questions.jsonl. ${REST}`);
  expect(disclosure(model({ training, parent: 'base/1' }))).toContain('questions.jsonl, starting from base/1.');
  expect(disclosure(model({ imported_from: { file: 'gpt2.safetensors' } }))).toContain(`${size}, imported from gpt2.safetensors.`);
  expect(disclosure(model({}))).toContain('nobody has noted');
});
