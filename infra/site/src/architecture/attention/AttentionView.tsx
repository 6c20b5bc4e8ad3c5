import { useState } from 'preact/hooks';
import { count, percent } from '../../components/format.ts';
import { type HeadRef, PATTERNS, type Pattern, strongest } from './patterns.ts';
import { Choice } from '../../components/Choice.tsx';
import { HeadView } from './HeadView.tsx';
import { MapCanvas } from './MapCanvas.tsx';
import { plural } from '../../components/text/pieces.ts';
import { Section } from '../shared/Section.tsx';
import type { TokenChoice, View } from '../view.ts';

/** Attention weights of all heads of all layers, and one head in full. */
export function AttentionView(props: { view: View; at: HeadRef; goTo: (at: HeadRef) => void } & TokenChoice) {
  const { view, at, goTo } = props;
  const { attention, tokens, model_info: info } = view.inspection;
  const { layers, heads } = info;
  return (
    <Section
      id="attention"
      wide
      title="Attention weights"
      shape={`${count(layers)} × ${count(heads)} × ${count(tokens.length)} × ${count(tokens.length)}`}
      words={
        <>
          <p>
            Your text in {plural(layers * heads, 'map')}, one for each head of each layer (a block is a layer). A row belongs to a
            token, from top to bottom; its cells are the <strong>attention weights</strong>: which share of its information the
            token takes from each token up to itself. The weights of a row sum to 1. The upper right half is empty, as no token
            looks at later ones.
          </p>
          <p>
            Nobody told a head what to attend to; it came about in training. Some patterns are easy to recognize. Find the head
            that attends most to:
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
          <p class="grid-note soft">Layers from top to bottom, heads from left to right. The darker, the larger the weight within its row.</p>
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
      <div class="finder-buttons" role="group" aria-label="Find the head that attends most to">
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
          ? `A text of ${plural(tokens.length, 'token')} is too short for patterns.`
          : best && `Layer ${best.layer + 1}, head ${best.head + 1}: ${found === 'all' ? 'evenness' : 'on average'} ${percent(best.share, 0)}.`}
      </p>
    </div>
  );
}

const range = (length: number) => Array.from({ length }, (_, index) => index);
