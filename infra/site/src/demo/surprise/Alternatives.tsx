import { quoted } from '../../components/text/pieces.ts';
import { percent } from '../../components/format.ts';
import type { Piece } from './scores.ts';

/** What the model found likeliest in the place of a piece. Its room is reserved, so that nothing moves. */
export function Alternatives({ id, piece }: { id: string; piece: Piece | null }) {
  return (
    <div id={id} class="alternatives">
      {!piece && <p class="soft">Point at a piece of the text, or walk through it with the arrow keys.</p>}
      {piece && (
        <p>
          <strong>{quoted(piece.text)}</strong>{' '}
          {piece.probability === null
            ? 'has no probability: nothing comes before it.'
            : `had a probability of ${percent(piece.probability)}. The likeliest here:`}
        </p>
      )}
      {piece && piece.likeliest.length > 0 && (
        <ol>
          {piece.likeliest.map(({ text, probability }) => (
            <li key={text} class={text === piece.text ? 'alternative-chosen' : ''}>
              {quoted(text)} <span class="number">{percent(probability)}</span>
            </li>
          ))}
        </ol>
      )}
    </div>
  );
}
