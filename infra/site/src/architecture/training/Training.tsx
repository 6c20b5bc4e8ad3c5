import { LossCurve } from '../../components/loss/LossCurve.tsx';
import { count, loss, seconds, time } from '../../components/format.ts';
import { learningOf } from '../../components/loss/learning.ts';
import { plural } from '../../components/text/pieces.ts';
import { sum } from '../shared/sum.ts';
import { Section } from '../shared/Section.tsx';
import type { LoadedModel } from '../../api/loaded-model.ts';

/** Training of the model: loss curve, corpus, final losses, settings. */
export function Training({ details }: { details: LoadedModel }) {
  const { manifest, model_info: info, curve } = details;
  const { training, evaluation } = manifest;
  const uniform = Math.log(info.vocab_size);
  return (
    <Section
      id="training"
      title="How it was trained"
      {...(training && { shape: plural(training.steps, 'step') })}
      words={
        <>
          <p>
            The model is trained to predict the next token of a text. The <strong>loss</strong> says how badly it did: it is 0 if
            the right token got a probability of 100%, and grows as that gets smaller (its negative logarithm, the
            cross-entropy). Backpropagation, from the end back to the beginning, tells how each parameter changes the loss; the
            optimizer then moves each a little in the direction in which the loss falls.
          </p>
          <p>
            Guessing at random, with the same probability for all {count(info.vocab_size)} tokens, has a loss of ln{' '}
            {count(info.vocab_size)} = {uniform.toFixed(2)}. {startOf(details)}
          </p>
          <p>{endOf(details)}</p>
        </>
      }
    >
      {curve.length > 0 ? (
        <LossCurve run={{ name: manifest.name, curve }} />
      ) : (
        <p class="nothing soft">
          {manifest.imported_from
            ? `No losses were recorded: this version was imported from ${manifest.imported_from.file}.`
            : 'No losses were recorded for this version.'}
        </p>
      )}
      {training && (
        <dl class="facts training-facts">
          <dt>Corpus</dt>
          <dd>
            {training.corpus.map(({ name }) => name).join(', ')}: {plural(sum(training.corpus.map(({ tokens }) => tokens)), 'token')}
          </dd>
          <dt>Duration</dt>
          <dd>
            {plural(training.epochs, 'epoch')}, {plural(training.steps, 'step')}, {seconds(training.wall_seconds)} on{' '}
            {training.device}
          </dd>
          <dt>Final losses</dt>
          <dd>
            training {loss(training.final_train_loss)}, validation {loss(training.final_val_loss)}
          </dd>
          {evaluation?.bits_per_byte !== undefined && (
            <>
              <dt>Bits per byte</dt>
              <dd>{loss(evaluation.bits_per_byte)} of the validation text; models whose tokens differ can be compared by it</dd>
            </>
          )}
          <dt>Finished</dt>
          <dd>{time(manifest.created_at)}</dd>
        </dl>
      )}
      {training && <HyperParameters values={training.hyper_parameters} />}
    </Section>
  );
}

/** Settings under the names by which a preset sets them. */
function HyperParameters({ values }: { values: Record<string, unknown> }) {
  return (
    <details class="settings">
      <summary>All settings of the run</summary>
      <dl class="facts">
        {leaves(values).map(([name, value]) => (
          <div key={name} class="fact">
            <dt>
              <code>{name}</code>
            </dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}

/** Settings that are tables of settings become `table.setting`. */
function leaves(values: Record<string, unknown>, prefix = ''): [string, string][] {
  return Object.entries(values).flatMap(([name, value]): [string, string][] => {
    const isTable = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isTable ? leaves(value as Record<string, unknown>, `${prefix}${name}.`) : [[prefix + name, shown(value)]];
  });
}

const shown = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));

function startOf({ curve }: LoadedModel): string {
  const [first] = curve;
  return first?.step === 0 ? `This model started at ${first.val_loss.toFixed(2)}, before its first step.` : '';
}

/** Overfitting: how far the validation loss ended above the training loss, and from which step on. */
function endOf({ curve, model_info: info }: LoadedModel): string {
  const last = curve.at(-1);
  if (!last) return '';
  const best = curve.reduce((lowest, point) => (point.val_loss < lowest.val_loss ? point : lowest));
  const gap = last.val_loss - last.train_loss;
  const end = `In the end the training loss was ${loss(last.train_loss)} and the validation loss, on held-out text, ${loss(last.val_loss)}`;
  const learning = learningOf(last.train_loss, last.val_loss, info.vocab_size);
  if (learning === 'little') return `${end}: both are high, so it has learned little so far.`;
  if (learning === 'generalizes') return `${end}: nearly the same, so the model generalizes to text that it has not seen.`;
  const turn = best === last ? '' : ` The validation loss was lowest at step ${count(best.step)}, with ${loss(best.val_loss)}.`;
  const what = learning === 'by heart' ? 'the model has learned its training text by heart' : 'part of what it learned holds for its training text alone';
  return `${end}. The gap of ${gap.toFixed(2)} is overfitting: ${what}.${turn}`;
}
