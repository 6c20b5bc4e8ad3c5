import { useEffect, useRef, useState } from 'preact/hooks';
import type { CurvePoint } from '../api/types.ts';
import { count, loss } from './format.ts';
import type { LossPlot, Series } from './loss-plot.ts';

/** The losses of one training. */
export interface Run {
  readonly name: string;
  readonly curve: readonly CurvePoint[];
}

/** Series of a single run, or the validation losses of several beside each other. */
function seriesOf(runs: readonly Run[]): Series[] {
  const points = (run: Run, losses: (point: CurvePoint) => number) => run.curve.map((point): [number, number] => [point.tokens_seen, losses(point)]);
  const [first] = runs;
  if (runs.length === 1 && first) {
    return [
      { label: 'validation', points: points(first, (point) => point.val_loss), dashed: false },
      { label: 'training', points: points(first, (point) => point.train_loss), dashed: true },
    ];
  }
  return runs.map((run) => ({ label: run.name, points: points(run, (point) => point.val_loss), dashed: false }));
}

/** A curve in words, for who does not see it. */
export function inWords({ name, curve }: Run): string {
  const [first, last] = [curve.at(0), curve.at(-1)];
  if (!first || !last) return `${name}: no losses were recorded.`;
  return (
    `${name}: over ${count(last.step)} steps and ${count(last.tokens_seen)} tokens the validation loss went from ` +
    `${loss(first.val_loss)} to ${loss(last.val_loss)}, the training loss from ${loss(first.train_loss)} to ${loss(last.train_loss)}.`
  );
}

/** Losses over the tokens seen. The plotting library comes once the curve scrolls into view. */
export function LossCurve({ runs }: { runs: readonly Run[] }) {
  const box = useRef<HTMLDivElement>(null);
  const [failed, setFailed] = useState(false);
  // The runs come from the API as new objects with each answer; only what they say counts.
  const key = JSON.stringify(runs);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    let plot: LossPlot | undefined;
    let left = false;
    const observer = new IntersectionObserver(async (entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      observer.disconnect();
      try {
        const { plotLosses } = await import('./loss-plot.ts');
        if (!left) plot = plotLosses(element, seriesOf(runs));
      } catch {
        setFailed(true);
      }
    });
    observer.observe(element);
    return () => {
      left = true;
      observer.disconnect();
      plot?.destroy();
    };
  }, [key]);
  const labels = seriesOf(runs).map((series) => series.label);
  return (
    <figure class="loss-curve">
      <div ref={box} class="loss-plot" role="img" aria-label={runs.map(inWords).join(' ')} />
      <figcaption>
        {failed ? 'The plot could not be loaded. ' : null}
        Loss in nats per token, over the tokens seen:{' '}
        {labels.map((label, index) => (
          <span key={label} class={`legend legend-${index % 6} ${runs.length === 1 && index === 1 ? 'legend-dashed' : ''}`}>
            {label}
          </span>
        ))}
      </figcaption>
    </figure>
  );
}
