import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { MAX_SEED } from '../../api/limits.ts';
import { ErrorNote } from '../../components/status/ErrorNote.tsx';
import { count, percent } from '../../components/format.ts';
import { quoted, visible } from '../../components/text/pieces.ts';
import type { Walk } from './walk.ts';

/** Step-by-step generation: the text so far, and buttons to draw the next token or to take one back. */
export function WalkPanel({ walk }: { walk: Walk }) {
  const seedId = useId();
  const box = useRef<HTMLDivElement>(null);
  const { steps, start } = walk;
  /** A seed that is none; null if it is one. */
  const [wrong, setWrong] = useState<string | null>(null);
  useEffect(() => {
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [steps]);
  return (
    <div class="walk">
      <div ref={box} class="walk-text scrolls" tabIndex={0} role="group" aria-label="The text so far">
        {start}
        {steps.map((step, index) => (
          <mark key={index} class={index === steps.length - 1 ? 'walk-new' : ''}>
            {step.text}
          </mark>
        ))}
        <span class="walk-caret" aria-hidden="true" />
      </div>
      <div class="walk-buttons">
        {/* Not `disabled`, which would take the keyboard focus away. */}
        <button type="button" class="button button-primary" aria-disabled={!walk.ready || wrong !== null} onClick={() => wrong === null && walk.next()}>
          Next token
        </button>
        <button type="button" class="button" aria-disabled={!steps.length || walk.busy} onClick={walk.back}>
          Take back
        </button>
        <label class="walk-seed" for={seedId}>
          Seed
          <input
            id={seedId}
            class="field number"
            type="text"
            inputMode="numeric"
            autocomplete="off"
            aria-invalid={wrong !== null}
            value={wrong ?? walk.seed}
            onInput={(event) => {
              const { value } = event.currentTarget;
              const valid = /^\d+$/.test(value.trim()) && Number(value) <= MAX_SEED;
              setWrong(valid ? null : value);
              if (valid) walk.setSeed(Number(value));
            }}
          />
        </label>
      </div>
      <div class="walk-said">
        {wrong !== null ? (
          <p class="fault" role="alert">
            A seed is a whole number from 0 to {count(MAX_SEED)}.
          </p>
        ) : walk.error ? (
          <ErrorNote error={walk.error} onRetry={walk.next} />
        ) : (
          <p class="soft" role="status">
            {/* A sentence of its own for each step: words of the one before would slide along the line. */}
            <Said key={steps.length} walk={walk} />
          </p>
        )}
      </div>
    </div>
  );
}

/** The result of the last step, or why there can be none. */
function Said({ walk }: { walk: Walk }) {
  const { obstacle, remark } = walk;
  const step = walk.steps.at(-1);
  if (obstacle && !walk.busy) return <>{obstacle}</>;
  if (!step) return <>Draws one token from the bars below. The same seed, text and settings draw the same token; each step uses the next seed.</>;
  return (
    <>
      Drawn with seed <span class="number">{step.seed}</span>: <code title={quoted(step.text)}>{visible(step.text)}</code>
      {step.chance !== null && step.rank !== null && (
        <>
          , number {step.rank + 1} in the list, with a chance of <span class="number">{percent(step.chance)}</span>
        </>
      )}
      . {remark}
    </>
  );
}
