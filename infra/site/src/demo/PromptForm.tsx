import type { RefObject } from 'preact';
import { useLayoutEffect } from 'preact/hooks';
import { MAX_PROMPT_CHARS } from '../api/limits.ts';
import { Icon } from '../components/Icon.tsx';

interface Props {
  readonly label: string;
  readonly prompt: string;
  /** Whether the prompt is the page's suggestion: what the reader types takes its place. */
  readonly fresh: boolean;
  readonly onPrompt: (prompt: string) => void;
  /** Whether a text is being written. */
  readonly active: boolean;
  readonly onSend: () => void;
  readonly onStop: () => void;
  /** Prompts that show what the model can do. */
  readonly examples: readonly string[];
  /** Takes an example, and sends it. */
  readonly onExample: (example: string) => void;
  readonly box: RefObject<HTMLTextAreaElement | null>;
  /** The server's complaint about the prompt. */
  readonly fault: string | null;
}

/** Form for the prompt, with examples. */
export function PromptForm({ label, prompt, fresh, onPrompt, active, onSend, onStop, examples, onExample, box, fault }: Props) {
  // A suggestion may arrive when the reader is about to type.
  useLayoutEffect(() => {
    if (fresh && document.activeElement === box.current) box.current?.select();
  }, [fresh, prompt]);
  const onKeyDown = (event: KeyboardEvent) => {
    // While an input method composes, Enter is its own.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    onSend();
  };
  // Not `disabled`, which would take the keyboard focus away.
  const unable = active || prompt === '';
  return (
    <form
      class="card prompt-card"
      onSubmit={(event) => {
        event.preventDefault();
        onSend();
      }}
    >
      <label class="prompt-label" for="prompt">
        {label}
      </label>
      <textarea
        id="prompt"
        ref={box}
        class="field prompt-box"
        value={prompt}
        maxLength={MAX_PROMPT_CHARS}
        aria-describedby={fault ? 'prompt-fault' : 'prompt-keys'}
        aria-invalid={fault !== null}
        spellcheck={false}
        onFocus={(event) => {
          if (fresh) event.currentTarget.select();
        }}
        onInput={(event) => onPrompt(event.currentTarget.value)}
        onKeyDown={onKeyDown}
      />
      {fault && (
        <p id="prompt-fault" class="fault" role="alert">
          {fault}.
        </p>
      )}
      <div class="prompt-row">
        <button type="submit" class="button button-primary" aria-disabled={unable}>
          Send <Icon name="send" />
        </button>
        <button type="button" class="button" aria-disabled={!active} onClick={onStop}>
          <Icon name="stop" /> Stop
        </button>
        <p id="prompt-keys" class="keys soft">
          <span>
            <kbd>Enter</kbd> sends
          </span>
          <span>
            <kbd>Shift</kbd> <kbd>Enter</kbd> breaks the line
          </span>
          <span>
            <kbd>Esc</kbd> stops
          </span>
        </p>
      </div>
      <div class="examples" role="group" aria-label="Example prompts">
        {examples.map((example) => (
          <button key={example} type="button" class="chip" onClick={() => onExample(example)}>
            {example}
          </button>
        ))}
      </div>
    </form>
  );
}
