import type { LoadedModel } from '../../api/loaded-model.ts';
import { large } from '../../components/format.ts';
import { textNames } from '../model-facts.ts';

/** What a model that answers is, and what it is not, in a line. */
export function disclosure({ manifest, model_info: info }: LoadedModel): string {
  return (
    `${manifest.name} is a small language model of ${large(info.parameters)} parameters, ${origin(manifest)}. ` +
    'It answers briefly, from what it has read there, and can be wrong: it knows nothing else, and looks nothing up.'
  );
}

function origin({ training, imported_from: file, parent }: LoadedModel['manifest']): string {
  if (training) return `trained on ${textNames(training.corpus)}${parent ? `, starting from ${parent}` : ''}`;
  return file ? `imported from ${file.file}` : 'of which nobody has noted what it was trained on';
}
