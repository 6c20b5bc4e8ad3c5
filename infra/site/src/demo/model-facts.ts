import { loadedModel } from '../api/loaded-model.ts';
import type { Manifest, ModelState } from '../api/types.ts';
import { bytes, count, large, loss, milliseconds, precision, seconds, time } from '../components/format.ts';

/** A line of what is known about a model. */
export type Fact = readonly [name: string, value: string];

/** Facts about the model that an API serves; none until it is loaded. */
export function modelFacts(state: ModelState): Fact[] {
  const loaded = loadedModel(state);
  if (!loaded) return [];
  const { model, model_info: info, manifest, start } = loaded;
  const training = manifest.training;
  return [
    ['Name', manifest.name],
    ['Version', manifest.version],
    ['Created', time(manifest.created_at)],
    ...(training ? [corpus(training.corpus)] : []),
    ...(manifest.imported_from ? [['Imported from', `${manifest.imported_from.file}, ${manifest.imported_from.format}`] as const] : []),
    ...(manifest.parent ? [['Started from', manifest.parent] as const] : []),
    ['Parameters', large(info.parameters)],
    ['Shape', `${info.layers} blocks of ${info.heads} heads, ${count(info.embedding_dim)} wide`],
    ['Context', `${count(info.context_length)} tokens`],
    ['Vocabulary', `${count(info.vocab_size)} tokens${manifest.tokenizer ? `, ${manifest.tokenizer.name}` : ''}`],
    served(manifest, model.precision),
    ...(training ? trained(training) : []),
    ...(manifest.evaluation ? [evaluated(manifest.evaluation)] : []),
    ...(manifest.source_commit ? [['Code', manifest.source_commit.slice(0, 12)] as const] : []),
    ...(start?.ready_ms ? [['Start', `${milliseconds(start.ready_ms)} from the start of its process to ready`] as const] : []),
  ];
}

function corpus(texts: readonly Text[]): Fact {
  const tokens = count(texts.reduce((sum, text) => sum + text.tokens, 0));
  return ['Corpus', `${textNames(texts)}: ${tokens} tokens`];
}

type Text = NonNullable<Manifest['training']>['corpus'][number];

/** The names of the first texts of a corpus, and how many more there are. */
export function textNames(texts: readonly Text[]): string {
  const names = texts.slice(0, 3).map((text) => text.name);
  const others = texts.length - names.length;
  return `${names.join(', ')}${others > 0 ? ` and ${count(others)} more` : ''}`;
}

function served(manifest: Manifest, stored: string): Fact {
  const variant = manifest.variants.find((candidate) => candidate.precision === stored);
  return ['Served as', variant ? `${precision(stored)}, ${bytes(variant.bytes)}` : precision(stored)];
}

function trained(training: NonNullable<Manifest['training']>): Fact[] {
  const { epochs, steps, wall_seconds, device, final_train_loss } = training;
  const passes = epochs === 1 ? '1 pass' : `${count(epochs)} passes`;
  return [
    ['Trained', `${passes}, ${count(steps)} steps, in ${seconds(wall_seconds)}`],
    ['Device', device],
    ['Training loss', loss(final_train_loss)],
  ];
}

function evaluated({ val_loss, perplexity, tokens, bits_per_byte: bits }: NonNullable<Manifest['evaluation']>): Fact {
  const perByte = bits === undefined ? '' : `, ${loss(bits)} bits per byte`;
  return ['Validation loss', `${loss(val_loss)}, a perplexity of ${count(perplexity)}${perByte}, on ${count(tokens)} tokens`];
}
