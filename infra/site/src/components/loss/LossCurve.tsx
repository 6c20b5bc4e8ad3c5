import type { CurvePoint } from '../../api/types.ts';
import { count, loss } from '../format.ts';
import type { Series } from './loss-plot.ts';
import { useLossPlot } from './use-loss-plot.ts';

/** The losses of one training. */
export interface Run {
  readonly name: string;
  readonly curve: readonly CurvePoint[];
}

/** Both losses of a run. */
function seriesOf({ curve }: Run): Series[] {
  const points = (losses: (point: CurvePoint) => number) => curve.map((point): [number, number] => [point.tokens_seen, losses(point)]);
  return [
    { label: 'training', points: points((point) => point.train_loss), dashed: false },
    { label: 'validation', points: points((point) => point.val_loss), dashed: true },
  ];
}

/** A curve in words, for screen readers. */
export function inWords({ name, curve }: Run): string {
  const [first, last] = [curve.at(0), curve.at(-1)];
  if (!first || !last) return `${name}: no losses were recorded.`;
  return (
    `${name}: over ${count(last.step)} steps and ${count(last.tokens_seen)} tokens the validation loss went from ` +
    `${loss(first.val_loss)} to ${loss(last.val_loss)}, the training loss from ${loss(first.train_loss)} to ${loss(last.train_loss)}.`
  );
}

/** Losses over the tokens seen. The plotting library comes once the curve scrolls into view. */
export function LossCurve({ run }: { run: Run }) {
  const series = seriesOf(run);
  const { box, failed } = useLossPlot(series);
  return (
    <figure class="loss-curve">
      <div ref={box} class="loss-plot" role="img" aria-label={inWords(run)} />
      <figcaption>
        {failed ? 'The plot could not be loaded. ' : null}
        Loss, over the tokens read in training; lower is better:{' '}
        {series.map(({ label, dashed }, index) => (
          <span key={label} class={`legend legend-${index % 6} ${dashed ? 'legend-dashed' : ''}`}>
            {label}
          </span>
        ))}
      </figcaption>
    </figure>
  );
}
