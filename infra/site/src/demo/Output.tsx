import { useEffect, useState } from 'preact/hooks';
import type { ApiError } from '../api/error.ts';
import { ErrorNote } from '../components/status/ErrorNote.tsx';
import { Actions, type Copied, NEWS } from './Actions.tsx';
import { Facts } from './Facts.tsx';
import { type Run, isActive } from './run.ts';
import { useFollow } from './use-follow.ts';

interface Props {
  readonly run: Run | null;
  readonly error: ApiError | null;
  /** Shown while there is no text. */
  readonly hint: string;
  /** State of the server while a text waits for it. */
  readonly waitingFor: string;
  /** Writes the text that is shown again. */
  readonly onAgain: () => void;
  readonly onShare: (run: Run) => void;
  readonly onClear: () => void;
}

/** The generated text after its prompt, in a box of fixed size that scrolls. */
export function Output({ run, error, hint, waitingFor, onAgain, onShare, onClear }: Props) {
  const { box, onScroll } = useFollow(run?.id, [run?.text, error]);
  const active = isActive(run);
  const [copied, setCopied] = useState<Copied | null>(null);
  useEffect(() => {
    if (copied === null) return;
    const timer = setTimeout(() => setCopied(null), 4000);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <section class="card" aria-label="Text">
      <div ref={box} class="sheet" tabIndex={0} role="group" aria-label="The text so far" onScroll={onScroll}>
        {run ? (
          <p class="sheet-text">
            <span class="sheet-prompt">{run.prompt}</span>
            <span class="sheet-new">{run.text}</span>
            {active && <span class="caret" aria-hidden="true" />}
          </p>
        ) : (
          <p class="sheet-hint">{hint}</p>
        )}
        {error && <ErrorNote error={error} onRetry={onAgain} />}
      </div>
      {/* News take the place of the facts for a while, so that nothing moves. */}
      {copied ? <p class="output-facts">{NEWS[copied]}</p> : <Facts run={run} waitingFor={waitingFor} />}
      <Actions run={run} onAgain={onAgain} onShare={onShare} onClear={onClear} copied={copied} onCopied={setCopied} />
      <p class="visually-hidden" role="status">
        {copied && NEWS[copied]}
      </p>
    </section>
  );
}
