import { Fragment } from 'preact';
import { useState } from 'preact/hooks';
import { percent } from '../../components/format.ts';
import { type HeadRef, type HeadWeights, largestWeights } from './patterns.ts';
import { Choice } from '../../components/Choice.tsx';
import { ScoreSteps } from './ScoreSteps.tsx';
import { MapCanvas } from './MapCanvas.tsx';
import { plural, quoted, visible } from '../../components/text/pieces.ts';
import { sum } from '../shared/sum.ts';
import type { TokenChoice, View } from '../view.ts';

/** How many tokens the sentence names. */
const NAMED = 4;
/** Up to so many rows there is room for their tokens beside the map. */
const ROWS_WITH_TEXT = 20;

/** One head in full: the weights of one token on those before it, and the whole map. */
export function HeadView({ view, at, token, choose }: { view: View; at: HeadRef } & TokenChoice) {
  const [peeked, setPeeked] = useState<number | null>(null);
  const { tokens, attention, model_info: info } = view.inspection;
  const weights = attention[at.layer]?.[at.head] ?? [];
  const looking = peeked !== null && peeked < tokens.length ? peeked : token;
  const row = weights[looking] ?? [];
  const text = (index: number) => tokens[index]?.text ?? '';
  const most = largestWeights(row, NAMED);
  const others = row.length - most.length;
  const largest = most[0]?.weight || 1;
  return (
    <div class="head-view">
      <h3>
        Layer {at.layer + 1}, head {at.head + 1}
      </h3>
      <p class="soft head-hint">Point at a token, or choose one with the arrow keys, to see what it attends to.</p>
      <Choice
        label="The token that attends"
        class="chips scrolls weights"
        count={tokens.length}
        chosen={token}
        inView={looking}
        onChoose={choose}
        onPeek={setPeeked}
        describe={(index) => `${quoted(text(index))}, ${describeWeight(row[index])}`}
        itemClass={(index) => `piece ${index === looking ? 'piece-looking' : ''} ${index > looking ? 'piece-later' : ''}`}
        itemStyle={(index) => ({ '--ink': `${Math.round((42 * (row[index] ?? 0)) / largest)}%` })}
      >
        {(index) => (
          <>
            <span class="piece-text">{visible(text(index))}</span>
            <span class="piece-note number">{row[index] === undefined ? '–' : percent(row[index])}</span>
          </>
        )}
      </Choice>
      <p class="head-words" aria-live="polite">
        <strong class="unbroken">{quoted(text(looking))}</strong> attends to{' '}
        {most.map(({ token: seen, weight }, index) => (
          <Fragment key={seen}>
            {index > 0 && ', '}
            <span class="unbroken">
              {seen === looking ? 'itself' : quoted(text(seen))} {percent(weight)}
            </span>
          </Fragment>
        ))}
        {others > 0 && `, to ${plural(others, 'other')} ${percent(sum(row) - sum(most.map(({ weight }) => weight)))}`}. Sum:{' '}
        <span class="number row-sum">{sum(row).toFixed(2)}</span>.
      </p>
      <ScoreSteps
        row={row}
        text={text}
        looking={looking}
        width={info.embedding_dim / info.heads}
        later={looking + 1 < tokens.length ? looking + 1 : null}
      />
      <HeadMap weights={weights} looking={looking} text={text} onPeek={setPeeked} onChoose={choose} />
    </div>
  );
}

const describeWeight = (weight: number | undefined) => (weight === undefined ? 'comes later, masked' : `weight ${percent(weight)}`);

/** The map of the head. It repeats the tokens above, so it is hidden from screen readers and the keyboard. */
function HeadMap(props: {
  weights: HeadWeights;
  looking: number;
  text: (index: number) => string;
  onPeek: (token: number | null) => void;
  onChoose: (token: number) => void;
}) {
  const { weights, looking } = props;
  const rows = weights.length;
  const rowAt = (event: PointerEvent | MouseEvent) => {
    const { top, height } = (event.currentTarget as Element).getBoundingClientRect();
    return Math.max(0, Math.min(rows - 1, Math.floor(((event.clientY - top) / height) * rows)));
  };
  return (
    <div class="head-map" aria-hidden="true">
      <div class="head-map-rows">
        {rows <= ROWS_WITH_TEXT &&
          weights.map((_, index) => (
            <span key={index} class={index === looking ? 'looking' : ''}>
              {visible(props.text(index))}
            </span>
          ))}
      </div>
      <div
        class="map-box head-map-box"
        onPointerMove={(event) => event.pointerType === 'mouse' && props.onPeek(rowAt(event))}
        onPointerLeave={() => props.onPeek(null)}
        onClick={(event) => props.onChoose(rowAt(event))}
      >
        <MapCanvas maps={[[weights]]} />
        <div class="head-map-looking" style={{ top: `${(100 * looking) / rows}%`, height: `${100 / rows}%` }} />
      </div>
    </div>
  );
}
