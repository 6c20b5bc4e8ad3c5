import type { ComponentChildren, RefObject } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import type { Client } from '../api/client.ts';
import type { ApiError } from '../api/error.ts';
import type { ScoredText } from '../api/types.ts';
import { precision, time } from '../components/format.ts';
import { ErrorNote } from '../components/status/ErrorNote.tsx';
import { Actions, type Copied, NEWS } from './Actions.tsx';
import { Facts } from './Facts.tsx';
import { fewerLineEnds } from '../components/text/line-ends.ts';
import { type Run, isActive } from './run.ts';
import { Pieces } from './surprise/Pieces.tsx';
import { Surprise } from './surprise/Surprise.tsx';
import { useScores } from './surprise/use-scores.ts';
import { useFollow } from './use-follow.ts';

interface Props {
  readonly client: Client | null;
  readonly sectionRef: RefObject<HTMLElement | null>;
  readonly run: Run | null;
  /** When the text was recorded, and its surprise; null for one that was written live. */
  readonly recorded: { readonly at: string; readonly scored: ScoredText } | null;
  readonly error: ApiError | null;
  /** Where the text comes from, if not from this page. */
  readonly note: string | null;
  /** State of the server while a text waits for it. */
  readonly waitingFor: string;
  /** Goes on from the end of a text. */
  readonly onContinue: (run: Run) => void;
  /** Writes another text from the same prompt. */
  readonly onAnother: (run: Run) => void;
  /** Writes a text again. */
  readonly onRepeat: (run: Run) => void;
  readonly onShare: (run: Run) => void;
  readonly onClear: () => void;
  /** Brings back what was cleared. */
  readonly onUndo: (() => void) | null;
  /** What must be done before a text can be written. */
  readonly children: ComponentChildren;
}

/** The generated text after its prompt, in a box that grows with it. */
export function Output({
  client,
  sectionRef,
  run,
  recorded,
  error,
  note,
  waitingFor,
  onRepeat,
  children,
  ...actions
}: Props) {
  const active = isActive(run);
  const { box, onScroll, cut } = useFollow(run?.id, [run?.text, error], run !== null && !active);
  const [copied, setCopied] = useState<Copied | null>(null);
  useEffect(() => {
    if (copied === null) return;
    const timer = setTimeout(() => setCopied(null), 4000);
    return () => clearTimeout(timer);
  }, [copied]);
  const [surprised, setSurprised] = useState(false);
  const [at, setAt] = useState<number | null>(null);
  useEffect(() => setAt(null), [run?.id]);
  const scores = useScores(client, surprised && run && !active ? run.prompt + run.text : null, recorded?.scored);
  const alternativesId = useId();
  const promptEnd = [...(run?.prompt ?? '')].length;
  // A text has its room from the moment that it is asked for, so that nothing moves while it is written, or at its end.
  const writtenHere = useRef<number | null>(null);
  if (active) writtenHere.current = run?.id ?? null;
  const room = run && run.id === writtenHere.current && (active || run.phase === 'done') ? filler(run) : '';
  return (
    <section ref={sectionRef} class="card output" aria-labelledby="output-title">
      <div class="card-head">
        <h2 id="output-title">Text</h2>
        <button type="button" class="chip" aria-pressed={surprised} onClick={() => setSurprised(!surprised)}>
          Surprise, piece by piece
        </button>
      </div>
      {note && <p class="output-note">{note}</p>}
      <div class="sheet-frame" data-cut={cut}>
        <div
          ref={box}
          class="sheet sheet-growing"
          tabIndex={0}
          role="group"
          aria-label="The text so far"
          onScroll={onScroll}
        >
          {recorded && run?.result && (
            <p class="sheet-recorded" role="status">
              <strong>Recorded sample, not live:</strong> written on {time(recorded.at)} by {run.result.model.name}{' '}
              {run.result.model.version}, {precision(run.result.model.precision)}.
            </p>
          )}
          {run ? (
            <div class="sheet-room" data-room={room}>
              {scores.pieces ? (
                <Pieces
                  label="The text in pieces"
                  pieces={scores.pieces}
                  promptEnd={promptEnd}
                  at={at}
                  onAt={setAt}
                  describedBy={alternativesId}
                />
              ) : (
                <p class="sheet-text">
                  <span class="sheet-prompt">{fewerLineEnds(run.prompt)}</span>
                  <span class="sheet-new">{fewerLineEnds(run.text)}</span>
                  {active && <span class="caret" aria-hidden="true" />}
                </p>
              )}
            </div>
          ) : (
            <p class="sheet-hint">
              {actions.onUndo ? 'The text is cleared.' : 'Press Send, and the model goes on from your prompt.'}
            </p>
          )}
          {error && <ErrorNote error={error} onRetry={() => run && onRepeat(run)} />}
          {children}
        </div>
      </div>
      {/* News take the place of the facts for a while, so that nothing moves. */}
      {copied ? <p class="output-facts">{NEWS[copied]}</p> : <Facts run={run} waitingFor={waitingFor} />}
      <Actions run={run} onRepeat={onRepeat} {...actions} copied={copied} onCopied={setCopied} />
      <p class="visually-hidden" role="status">
        {copied && NEWS[copied]}
      </p>
      {surprised && (
        <Surprise
          client={client}
          scores={scores}
          promptEnd={promptEnd}
          piece={(at !== null && scores.pieces?.[at]) || null}
          alternativesId={alternativesId}
        />
      )}
    </section>
  );
}

/** About as much text as will come: a token of English is shorter on average. */
function filler({ prompt, options }: Run): string {
  return prompt + ' word'.repeat(options.max_tokens);
}
