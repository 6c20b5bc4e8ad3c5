/** Verdict on models in words, computed from the numbers of their manifests. */
import type { Manifest } from '../api/types.ts';
import { count, loss, percent, precision } from '../components/format.ts';
import { type Learning, learningOf } from '../components/loss/learning.ts';
import { type Incomparable, incomparable } from './validation.ts';

/** A model as it is judged. */
export interface Judged {
  readonly name: string;
  readonly manifest: Manifest;
  /** The precision in which it is served. */
  readonly precision: string;
}

/** The losses of a training, and what they say. */
interface Learned {
  readonly name: string;
  readonly train: number;
  readonly val: number;
  readonly learning: Learning;
}

/** The verdict, a sentence or two for each entry; empty without models. */
export function verdictOn(models: readonly Judged[]): string[] {
  const [first] = models;
  if (!first) return [];
  if (models.length > 1 && models.every(({ manifest }) => isSameVersion(manifest, first.manifest))) return [onPrecisions(models)];
  if (models.length > 1) return [onSeveral(models), ...models.map(onOne)];
  return [onOne(first)];
}

/** What a model has learned, by its own losses. */
function onOne(model: Judged): string {
  const learned = learnedBy(model);
  const { name, manifest } = model;
  if (!learned) return `${name}: its manifest has no losses of a training, so they cannot tell what it learned.`;
  const { train, val, learning } = learned;
  switch (learning) {
    case 'little':
      return (
        `${name} has learned little so far: its loss on text that it has not seen is ${loss(val)}, and guessing at random among ` +
        `${count(manifest.config.vocab_size)} tokens has ${loss(Math.log(manifest.config.vocab_size))}.`
      );
    case 'generalizes':
      return `${name} generalizes: it predicts text that it has not seen nearly as well as its training text (loss ${loss(val)} against ${loss(train)}).`;
    case 'overfits':
      return (
        `${name} overfits: its loss is ${loss(train)} on its training text, but ${loss(val)} on text that it has not seen. ` +
        'Part of what it learned holds for its training text alone.'
      );
    case 'by heart':
      return (
        `${name} has learned its training text by heart: there it gives the right next token a typical chance of ` +
        `${chance(train)} (loss ${loss(train)}), in text that it has not seen ${chance(val)} (loss ${loss(val)}).`
      );
  }
}

/** Why no model can be called the better one. */
const NO_WINNER: Record<Exclude<Incomparable, 'tokenizer'>, string> = {
  corpus: 'Which one is better cannot be told from their losses: they were trained and tested on different texts.',
  split: 'Which one is better cannot be told from their losses: they were tested on different parts of their texts.',
  unknown: 'Which one is better cannot be told from their losses: not every manifest names the texts.',
};

/** Which of several models generalizes better. */
function onSeveral(models: readonly Judged[]): string {
  const reason = incomparable(models.map(({ manifest }) => manifest));
  if (reason === 'tokenizer') return byBytes(models);
  if (reason) return NO_WINNER[reason];
  const learned = models.flatMap((model) => learnedBy(model) ?? []);
  if (learned.length < models.length) return NO_WINNER.unknown;
  const [best, second] = [...learned].sort((a, b) => a.val - b.val) as [Learned, Learned];
  const [trained, other] = [...learned].sort((a, b) => a.train - b.train) as [Learned, Learned];
  if (loss(best.val) === loss(second.val)) return `${best.name} and ${second.name} predict new text equally well: their loss on it is ${loss(best.val)}.`;
  const generalizes = `${best.name} generalizes better: its loss on text that it has not seen is ${loss(best.val)}, that of ${second.name} ${loss(second.val)}.`;
  if (trained === best || loss(trained.train) === loss(other.train)) return generalizes;
  const lower = `${trained.name} has the lower training loss (${loss(trained.train)} against ${loss(best.train)}), but`;
  return trained.learning === 'by heart' ? `${lower} has learned by heart. ${generalizes}` : `${lower} that is of text that it has seen. ${generalizes}`;
}

/** Models whose tokens differ, by bits per byte of the text that they share. */
function byBytes(models: readonly Judged[]): string {
  const known = models.flatMap(({ name, manifest }) => {
    const bits = manifest.evaluation?.bits_per_byte;
    return bits === undefined ? [] : [{ name, bits }];
  });
  const differ = 'Their tokens differ, so their losses per token cannot be compared';
  if (known.length < models.length) return `${differ}, and not every manifest has the bits per byte, which could be.`;
  const [best, second] = known.sort((a, b) => a.bits - b.bits) as [(typeof known)[number], (typeof known)[number]];
  if (loss(best.bits) === loss(second.bits)) return `${differ}. By bits per byte they are equally good: ${loss(best.bits)}.`;
  return `${differ}. By bits per byte of the same text ${best.name} is better: ${loss(best.bits)}, and ${second.name} has ${loss(second.bits)}.`;
}

/** One version in several precisions. */
function onPrecisions(models: readonly Judged[]): string {
  const as = models.map((model) => {
    const variant = model.manifest.variants.find((stored) => stored.precision === model.precision);
    const val = variant?.val_loss;
    return `${precision(model.precision)}${typeof val === 'number' ? ` (loss on new text ${loss(val)})` : ''}`;
  });
  return `These are one version, so they learned the same; they differ by how exactly their weights are stored: ${as.join(', ')}.`;
}

function learnedBy({ name, manifest }: Judged): Learned | null {
  const { training, evaluation, config } = manifest;
  if (!training) return null;
  const [train, val] = [training.final_train_loss, evaluation?.val_loss ?? training.final_val_loss];
  return { name, train, val, learning: learningOf(train, val, config.vocab_size) };
}

const isSameVersion = (a: Manifest, b: Manifest) => a.name === b.name && a.version === b.version;

/** The probability whose negative logarithm is a loss: the geometric mean of those of the right tokens. */
const chance = (nats: number) => percent(Math.exp(-nats));
