import { useEffect, useState } from 'preact/hooks';
import { type Client, isAbort } from '../../api/client.ts';
import { ApiError } from '../../api/error.ts';
import type { ScoredText } from '../../api/types.ts';
import { type Piece, piecesOf } from './scores.ts';

/** How many tokens are told that could have stood in the place of each: as many as are shown. */
const LIKELIEST = 5;

/** The pieces of a text with their probabilities, once they are known. */
export interface Scores {
  readonly pieces: readonly Piece[] | null;
  readonly error: ApiError | null;
  readonly retry: () => void;
}

/** Asks how likely the model finds `text`; nothing is asked for null, or for what is `recorded`. */
export function useScores(client: Client | null, text: string | null, recorded: ScoredText | null = null): Scores {
  const [answer, setAnswer] = useState<{ text: string; pieces: readonly Piece[] } | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [round, setRound] = useState(0);
  useEffect(() => {
    setError(null);
    if (!text || answer?.text === text) return;
    if (recorded) {
      setAnswer({ text, pieces: piecesOf(recorded) });
      return;
    }
    if (!client) return;
    const abort = new AbortController();
    client.score(text, LIKELIEST, abort.signal).then(
      (scored) => setAnswer({ text, pieces: piecesOf(scored) }),
      (thrown: unknown) => {
        if (!isAbort(thrown)) setError(ApiError.wrap(thrown));
      },
    );
    return () => abort.abort();
  }, [client, text, recorded, round]);
  return {
    pieces: text && answer?.text === text ? answer.pieces : null,
    error,
    retry: () => setRound((before) => before + 1),
  };
}
