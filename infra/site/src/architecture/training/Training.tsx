import { LossCurve } from '../../components/loss/LossCurve.tsx';
import { count, loss, seconds, time } from '../../components/format.ts';
import { plural } from '../shared/pieces.ts';
import { sum } from '../shared/sum.ts';
import { Section } from '../shared/Section.tsx';
import type { LoadedModel } from '../../api/loaded-model.ts';

/** How the weights came to be. */
export function Training({ details }: { details: LoadedModel }) {
  const { manifest, model_info: info, curve } = details;
  const { training } = manifest;
  const fair = Math.log(info.vocab_size);
  return (
    <Section
      id="training"
      title="How it was trained"
      {...(training && { shape: plural(training.steps, 'step') })}
      words={
        <>
          <p>
            Training is one question, asked over and over: which token comes next in this text? The{' '}
            <strong>loss</strong> is the negative logarithm of the probability that the model gave to the right answer.
            Every parameter is then moved a little in the direction in which the loss falls: backwards through the head,
            the blocks, the tables.
          </p>
          <p>
            Who gives all {count(info.vocab_size)} tokens the same chance has a loss of ln {count(info.vocab_size)} ={' '}
            {fair.toFixed(2)}. {startOf(details)}
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
            {loss(training.final_train_loss)} in training, {loss(training.final_val_loss)} in validation
          </dd>
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
  return first?.step === 0 ? `This model began at ${first.val_loss.toFixed(2)}, before its first step.` : '';
}

/** What the curve has to teach: whether the model went on learning what is true of other texts too. */
function endOf({ curve }: LoadedModel): string {
  const last = curve.at(-1);
  if (!last) return '';
  const best = curve.reduce((lowest, point) => (point.val_loss < lowest.val_loss ? point : lowest));
  const gap = last.val_loss - last.train_loss;
  const end = `In the end it was ${loss(last.train_loss)} on the training text and ${loss(last.val_loss)} on text held back`;
  if (gap < 0.1 * last.val_loss) return `${end}: nearly the same, so what was learned holds for text not seen.`;
  const turn = best === last ? '' : ` From step ${count(best.step)} on, where the second was ${loss(best.val_loss)}, it got no better there.`;
  return `${end}. The gap of ${gap.toFixed(2)} was learned by heart: it helps with these words and no others.${turn}`;
}
