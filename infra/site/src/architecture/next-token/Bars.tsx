import { useEffect, useRef } from 'preact/hooks';
import type { Candidate } from '../../api/types.ts';
import { percent } from '../../components/format.ts';
import { Choice } from '../../components/Choice.tsx';
import { quoted, visible } from '../../components/text/pieces.ts';
import type { Draw } from './sampling.ts';
import { scrollWithin } from '../../components/scroll.ts';

/** Bar chart of the candidates, the likeliest first: their chance in the draw, and a mark at the model's probability. */
export function Bars(props: {
  candidates: readonly Candidate[];
  draw: Draw;
  chosen: number;
  choose: (rank: number) => void;
  /** The rank of the token that has just been drawn. */
  drawn: number | null;
}) {
  const { candidates, draw, chosen, choose, drawn } = props;
  const list = useRef<HTMLDivElement>(null);
  // Scaled to the largest of both kinds, so that a flat distribution can be read as well as a sharp one.
  const full = Math.max(draw.chances[0] ?? 0, candidates[0]?.probability ?? 0);
  const width = (share: number) => `${(100 * share) / full}%`;
  // Other candidates are looked at from the first.
  useEffect(() => {
    if (list.current) list.current.scrollTop = 0;
  }, [candidates]);
  useEffect(() => {
    if (drawn === null || !list.current) return;
    const row = list.current.querySelectorAll<HTMLElement>('[role=radio]')[drawn];
    if (row) scrollWithin(list.current, row);
  }, [drawn]);
  return (
    <div class="bars">
      <div class="bars-head soft" aria-hidden="true">
        <span class="bars-rank">#</span>
        <span>token</span>
        <span class="bars-logit">logit</span>
        <span class="bars-scale">
          <span>0</span>
          <span class="number">{percent(full)}</span>
        </span>
        <span class="bars-number">chance</span>
      </div>
      <div ref={list} class="bars-list scrolls">
        <Choice
          label="Candidates for the next token"
          count={candidates.length}
          chosen={chosen}
          onChoose={choose}
          describe={(rank) => describe(candidates[rank], rank, draw)}
          itemClass={(rank) => `bar-row ${rank >= draw.kept ? 'bar-cut' : ''} ${rank === drawn ? 'bar-drawn' : ''}`}
        >
          {(rank) => (
            <>
              <span class="bars-rank number">{rank + 1}</span>
              <span class="bar-piece">{visible(candidates[rank]?.text ?? '')}</span>
              <span class="bars-logit number">{candidates[rank]?.logit.toFixed(2)}</span>
              <span class="bar-track">
                <span class="bar" style={{ width: width(draw.chances[rank] ?? 0) }} />
                <span class="bar-model" style={{ left: width(candidates[rank]?.probability ?? 0) }} />
              </span>
              <span class="bars-number number">{rank < draw.kept ? percent(draw.chances[rank] ?? 0) : 'cut'}</span>
            </>
          )}
        </Choice>
      </div>
      <p class="bars-legend soft">
        <span class="legend-bar">chance to be drawn</span> <span class="legend-mark">without temperature, top-k and top-p</span>{' '}
        Choose a row to see its calculation.
      </p>
    </div>
  );
}

function describe(candidate: Candidate | undefined, rank: number, draw: Draw): string {
  if (!candidate) return '';
  const chance = rank < draw.kept ? `chance ${percent(draw.chances[rank] ?? 0)}` : 'cut';
  return (
    `${rank + 1}: ${quoted(candidate.text)}, ${chance}, at temperature 1 ${percent(candidate.probability)}, ` +
    `logit ${candidate.logit.toFixed(2)}`
  );
}
