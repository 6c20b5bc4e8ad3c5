import type { ApiError } from '../../api/error.ts';
import { ErrorNote } from '../../components/status/ErrorNote.tsx';
import { fewerLineEnds } from '../../components/text/line-ends.ts';
import { count } from '../../components/format.ts';
import { useFollow } from '../use-follow.ts';
import { type Exchange, ending, isActive } from './exchange.ts';

interface Props {
  readonly exchanges: readonly Exchange[];
  readonly error: ApiError | null;
  /** Number of the oldest messages that the last answer was written without. */
  readonly dropped: number;
  /** Sends the message again that has no answer. */
  readonly onAgain: () => void;
  readonly onRestart: () => void;
}

/** What has been said, in a box of fixed size that scrolls. */
export function Turns({ exchanges, error, dropped, onAgain, onRestart }: Props) {
  const last = exchanges.at(-1);
  const { box, onScroll } = useFollow(last?.id, [last?.answer, last?.phase, error]);
  return (
    <section class="card" aria-labelledby="turns-title">
      <div class="card-head">
        <h2 id="turns-title">Conversation</h2>
        <button type="button" class="button button-quiet" disabled={exchanges.length === 0} onClick={onRestart}>
          New conversation
        </button>
      </div>
      <div ref={box} class="sheet" tabIndex={0} role="group" aria-label="The conversation so far" onScroll={onScroll}>
        {exchanges.length === 0 && <p class="sheet-hint">Ask something. It is kept on this page alone, until you leave it.</p>}
        {exchanges.length > 0 && (
          <ol class="turns">
            {exchanges.map((exchange) => [
              <li key={`${exchange.id} question`} class="turn turn-user">
                <span class="turn-role">You</span>
                <p class="turn-text">{exchange.question}</p>
              </li>,
              exchange.phase !== 'failed' && (
                <li key={`${exchange.id} answer`} class="turn turn-model">
                  <span class="turn-role">Model{note(exchange)}</span>
                  <p class="turn-text">
                    {fewerLineEnds(exchange.answer)}
                    {isActive(exchange) && <span class="caret" aria-hidden="true" />}
                  </p>
                </li>
              ),
            ])}
          </ol>
        )}
        {error && <ErrorNote error={error} onRetry={onAgain} />}
      </div>
      {/* Its room is reserved, so that nothing moves. */}
      <p class="output-facts">
        {dropped > 0 && `The model no longer reads the first ${count(dropped)} messages: there is no room for more.`}
      </p>
    </section>
  );
}

/** How an answer ended, unless that is as it should. */
function note(exchange: Exchange): string {
  const isComplete = exchange.result?.finish_reason === 'stop';
  return isActive(exchange) || isComplete ? '' : `, ${ending(exchange)}`;
}
