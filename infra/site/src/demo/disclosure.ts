import type { LoadedModel } from '../api/loaded-model.ts';
import { count, large } from '../components/format.ts';
import { textNames } from './model-facts.ts';

/** What a model is, in a line: its size, what it has read, and whether it answers or goes on with a text. */
export function disclosure({ manifest, model_info: info }: LoadedModel, answers: boolean): string {
  return (
    `${manifest.name} is a small language model of ${large(info.parameters)} parameters, ${origin(manifest)}. ` +
    (answers
      ? 'It answers briefly, from what it has read there, and can be wrong: it knows nothing else, and looks nothing up.'
      : 'It continues what you write; it does not answer.')
  );
}

function origin({ training, imported_from: file, parent }: LoadedModel['manifest']): string {
  if (training) {
    const tokens = training.corpus.reduce((sum, text) => sum + text.tokens, 0);
    const read = `${count(tokens)} tokens, read ${training.epochs === 1 ? 'once' : `${count(training.epochs)} times`}`;
    return `trained on ${textNames(training.corpus)} (${read})${parent ? `, starting from ${parent}` : ''}`;
  }
  return file ? `imported from ${file.file}` : 'of which nobody has noted what it was trained on';
}
