import { useId, useState } from 'preact/hooks';
import type { Client } from '../../api/client.ts';
import { MAX_PROMPT_CHARS } from '../../api/limits.ts';
import { ErrorNote } from '../../components/status/ErrorNote.tsx';
import { Alternatives } from './Alternatives.tsx';
import { Pieces } from './Pieces.tsx';
import { LEVELS, type Piece, bitsPerByte } from './scores.ts';
import './surprise.css';
import { type Scores, useScores } from './use-scores.ts';

interface Props {
  readonly client: Client | null;
  readonly scores: Scores;
  readonly promptEnd: number;
  /** The piece that is looked at. */
  readonly piece: Piece | null;
  readonly alternativesId: string;
}

/** Panel about the surprise of a text: legend, alternatives, means, and another text to compare with. */
export function Surprise({ client, scores, promptEnd, piece, alternativesId }: Props) {
  const pieces = scores.pieces ?? [];
  const [yours, written] = [
    bitsPerByte(pieces.filter(({ start }) => start < promptEnd)),
    bitsPerByte(pieces.filter(({ start }) => start >= promptEnd)),
  ];
  return (
    <div class="surprise">
      <p class="levels">
        How likely the model found each piece, from what comes before it:{' '}
        {LEVELS.map(({ name }, level) => (
          <span key={name} class={`piece piece-${level}`}>
            {name}
          </span>
        ))}
      </p>
      {scores.error ? (
        <ErrorNote error={scores.error} onRetry={scores.retry} />
      ) : (
        <Alternatives id={alternativesId} piece={piece} />
      )}
      <p class="means" role="status">
        {scores.pieces && (
          <>
            Mean surprise
            {yours !== null && (
              <>
                , your text: <strong>{bits(yours)}</strong>
              </>
            )}
            {written !== null && (
              <>
                , the model's own: <strong>{bits(written)}</strong>
              </>
            )}
            . 0 is certain, 8 a blind guess: what it has learned by heart is close to 0.
          </>
        )}
      </p>
      <OtherText client={client} mean={bitsPerByte(pieces)} />
    </div>
  );
}

/** Another text beside it, measured in the same way: a sentence that the model has read, or one of the reader's own. */
function OtherText({ client, mean }: { client: Client | null; mean: number | null }) {
  const id = useId();
  const [text, setText] = useState('');
  const [asked, setAsked] = useState<string | null>(null);
  const [at, setAt] = useState<number | null>(null);
  const { pieces, error, retry } = useScores(client, asked);
  const other = pieces && bitsPerByte(pieces);
  return (
    <form
      class="other-text"
      onSubmit={(event) => {
        event.preventDefault();
        setAt(null);
        setAsked(text);
      }}
    >
      <label for={id}>Beside it, another text: a sentence that the model has read, or one of your own</label>
      <div class="other-row">
        <textarea
          id={id}
          class="field"
          rows={2}
          maxLength={MAX_PROMPT_CHARS}
          spellcheck={false}
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <button type="submit" class="button" aria-disabled={text.trim() === ''}>
          Measure
        </button>
      </div>
      {error && <ErrorNote error={error} onRetry={retry} />}
      {pieces && (
        <>
          <Pieces
            label="The other text"
            pieces={pieces}
            promptEnd={Number.POSITIVE_INFINITY}
            at={at}
            onAt={setAt}
            describedBy={`${id}-likeliest`}
          />
          <Alternatives id={`${id}-likeliest`} piece={(at !== null && pieces[at]) || null} />
          <p class="means" role="status">
            {other === null ? (
              'One piece alone has no surprise.'
            ) : (
              <>
                Mean surprise: <strong>{bits(other)}</strong>. {verdict(other, mean)}
              </>
            )}
          </p>
        </>
      )}
    </form>
  );
}

function bits(mean: number): string {
  return `${mean.toFixed(2)} bits per byte`;
}

/** How a text compares with the one above, in words. */
function verdict(other: number, above: number | null): string {
  if (above === null) return '';
  if (other > 2 * above)
    return 'The text above surprises it far less: it has read that or something like it, this not.';
  if (above > 2 * other)
    return 'It surprises the model far less than the text above: it has read this or something like it.';
  return 'Both surprise it about as much.';
}
