import { useState } from 'preact/hooks';
import type { LoadedModel } from '../api/loaded-model.ts';
import { inWords } from '../components/loss/LossCurve.tsx';
import { count, loss } from '../components/format.ts';
import type { Series } from '../components/loss/loss-plot.ts';
import { useLossPlot } from '../components/loss/use-loss-plot.ts';
import { type Incomparable, REMARKS } from './validation.ts';

/** From this ratio of their tokens on, the plot is logarithmic by default: short curves would be too narrow. */
const FAR_APART = 6;

interface Props {
  names: readonly string[];
  models: readonly (LoadedModel | null)[];
  remark: Incomparable | null;
}

/** Loss curves of all models in one plot, and as tables. */
export function Curves({ names, models, remark }: Props) {
  const runs = models.map((model, column) => ({ name: names[column] ?? '', column, curve: model?.curve ?? [] }));
  const recorded = runs.filter(({ curve }) => curve.length > 0);
  const lengths = recorded.map(({ curve }) => curve.at(-1)?.tokens_seen ?? 0);
  const [chosen, setChosen] = useState<boolean | null>(null);
  const logarithmic = chosen ?? Math.max(...lengths) > FAR_APART * Math.min(...lengths);
  const [wanted, setPerByte] = useState<boolean | null>(null);
  const hasBits = recorded.length > 0 && recorded.every(({ curve }) => curve.every((point) => typeof point.bits_per_byte === 'number'));
  const perByte = hasBits && (wanted ?? remark === 'tokenizer');
  const { box, failed } = useLossPlot(recorded.flatMap((run) => seriesOf(run, logarithmic, perByte)), { logarithmic });
  const words = recorded.length > 0 ? recorded.map(inWords).join(' ') : 'No losses yet.';
  return (
    <section class="card compare-section" aria-labelledby="curves">
      <div class="section-head">
        <h2 id="curves">Losses while training</h2>
        {hasBits && (
          <label class="check">
            <input type="checkbox" checked={perByte} onChange={(event) => setPerByte(event.currentTarget.checked)} />
            Bits per byte
          </label>
        )}
        <label class="check">
          <input type="checkbox" checked={logarithmic} onChange={(event) => setChosen(event.currentTarget.checked)} />
          Logarithmic scale
        </label>
      </div>
      <figure class="loss-curve">
        <div ref={box} class="loss-plot compare-plot" role="img" aria-label={words} />
        <figcaption>
          {failed && <p>The plot could not be loaded; the tables below have what it shows.</p>}
          <p class="curve-legend">
            <span>{perByte ? 'Bits per byte' : 'Loss (nats per token)'}, over the tokens read in training; lower is better</span>
            {recorded.map(({ name, column }) => (
              <span key={column} class={`legend legend-${column % 6}`}>
                {name}
              </span>
            ))}
            {!perByte && <span class="legend">training text</span>}
            <span class="legend legend-dashed">validation text</span>
          </p>
        </figcaption>
      </figure>
      {remark && <p class="remark">{REMARKS[remark]}</p>}
      <details class="curve-tables">
        <summary>The losses as tables</summary>
        <div class="curve-tables-row">
          {recorded.map((run) => (
            <CurveTable key={run.column} {...run} />
          ))}
        </div>
      </details>
    </section>
  );
}

type Run = { readonly name: string; readonly column: number; readonly curve: LoadedModel['curve'] };

/** Both losses of a run; by bytes there is that of the validation text alone. */
function seriesOf({ name, column, curve }: Run, logarithmic: boolean, perByte: boolean): Series[] {
  const shown = curve.filter(({ tokens_seen: tokens }) => !logarithmic || tokens > 0);
  const line = (label: string, dashed: boolean, losses: (point: Run['curve'][number]) => number): Series => ({
    label: `${name}, ${label}`,
    points: shown.map((point) => [point.tokens_seen, losses(point)]),
    dashed,
    color: column,
  });
  if (perByte) return [line('validation', true, (point) => point.bits_per_byte ?? NaN)];
  return [line('training', false, (point) => point.train_loss), line('validation', true, (point) => point.val_loss)];
}

function CurveTable({ name, column, curve }: Run) {
  return (
    <div class="curve-table" tabIndex={0} role="group" aria-labelledby={`curve-${column}`}>
      <table>
        <caption id={`curve-${column}`} class={`swatch legend-${column % 6}`}>
          {name}
        </caption>
        <thead>
          <tr>
            <th scope="col">Tokens seen</th>
            <th scope="col">Training</th>
            <th scope="col">Validation</th>
            <th scope="col">Bits per byte</th>
          </tr>
        </thead>
        <tbody class="number">
          {curve.map((point) => (
            <tr key={point.step}>
              <th scope="row">{count(point.tokens_seen)}</th>
              <td>{loss(point.train_loss)}</td>
              <td>{loss(point.val_loss)}</td>
              <td>{typeof point.bits_per_byte === 'number' ? loss(point.bits_per_byte) : '–'}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
