import { useState } from 'preact/hooks';
import { count, percent } from '../../components/format.ts';
import { type HeadRef, PATTERNS, type Pattern, strongest } from './patterns.ts';
import { Choice } from '../shared/Choice.tsx';
import { HeadView } from './HeadView.tsx';
import { MapCanvas } from './MapCanvas.tsx';
import { plural } from '../shared/pieces.ts';
import { Section } from '../shared/Section.tsx';
import type { TokenChoice, View } from '../view.ts';

/** All heads of all layers, and one of them in full. */
export function AttentionView(props: { view: View; at: HeadRef; goTo: (at: HeadRef) => void } & TokenChoice) {
  const { view, at, goTo } = props;
  const { attention, tokens, model_info: info } = view.inspection;
  const { layers, heads } = info;
  return (
    <Section
      id="attention"
      wide
      title="What attends to what"
      shape={`${count(layers)} × ${count(heads)} × ${count(tokens.length)} × ${count(tokens.length)}`}
      words={
        <>
          <p>
            Your text in {count(layers * heads)} maps, one for each head of each layer. In a map, the row of a token
            holds <strong>one part of 1</strong> for every token that it can see: query times key, divided by √
            {count(info.embedding_dim / heads)}, the width of a head, then a softmax. Above the diagonal lies the
            future, empty.
          </p>
          <p>
            Nobody told a head what to look for. Some habits are easy to recognize, though; find the head that has
            most of one in this text:
          </p>
          <Finder view={view} at={at} goTo={goTo} />
        </>
      }
    >
      <div class="attention">
        <div class="grid-box" style={{ '--heads': heads, '--layers': layers }}>
          <div class="grid-heads soft number" aria-hidden="true">
            {range(heads).map((head) => (
              <span key={head}>{head + 1}</span>
            ))}
          </div>
          <div class="grid-layers soft number" aria-hidden="true">
            {range(layers).map((layer) => (
              <span key={layer}>{layer + 1}</span>
            ))}
          </div>
          <div class="grid-maps map-box">
            <MapCanvas maps={attention} />
            <Choice
              label="Layer and head"
              class="grid-choice"
              count={layers * heads}
              columns={heads}
              chosen={at.layer * heads + at.head}
              onChoose={(index) => goTo({ layer: Math.floor(index / heads), head: index % heads })}
              describe={(index) => `Layer ${Math.floor(index / heads) + 1}, head ${(index % heads) + 1}`}
            >
              {() => null}
            </Choice>
          </div>
          <p class="grid-note soft">Layers from top to bottom, heads from left to right. In each row, ink is in proportion to weight.</p>
        </div>
        <HeadView {...props} />
      </div>
    </Section>
  );
}

/** Buttons that find the head with most of a pattern. */
function Finder({ view, at, goTo }: { view: View; at: HeadRef; goTo: (at: HeadRef) => void }) {
  const [found, setFound] = useState<Pattern | null>(null);
  const { attention, tokens } = view.inspection;
  const best = found && strongest(attention, found);
  const isShown = best !== null && best.layer === at.layer && best.head === at.head;
  return (
    <div class="finder">
      <div class="finder-buttons" role="group" aria-label="Find the head that looks most at">
        {(Object.keys(PATTERNS) as Pattern[]).map((pattern) => (
          <button
            key={pattern}
            type="button"
            class="chip"
            disabled={tokens.length < 3}
            aria-pressed={pattern === found && isShown}
            onClick={() => {
              setFound(pattern);
              goTo(strongest(attention, pattern));
            }}
          >
            {PATTERNS[pattern].name}
          </button>
        ))}
      </div>
      <p class="finder-found soft" role="status">
        {tokens.length < 3
          ? `A text of ${plural(tokens.length, 'token')} shows no habits.`
          : best && `Layer ${best.layer + 1}, head ${best.head + 1}: ${found === 'all' ? 'evenness' : 'on average'} ${percent(best.share, 0)}.`}
      </p>
    </div>
  );
}

const range = (length: number) => Array.from({ length }, (_, index) => index);
