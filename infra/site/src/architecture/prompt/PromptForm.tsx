import { useId, useLayoutEffect, useRef } from 'preact/hooks';
import { MAX_INSPECT_TOKENS } from '../../api/limits.ts';

/** Form for the text that the page computes. */
export function PromptForm(props: {
  text: string;
  examples: readonly string[];
  /** How many tokens the text has, once that is known. */
  tokens: number | null;
  invalid: boolean;
  /** The text, and whether the reader is still typing. */
  onText: (text: string, typing: boolean) => void;
}) {
  const id = useId();
  const { text, onText } = props;
  const field = useRef<HTMLTextAreaElement>(null);
  const typed = useRef(text);
  // An example may arrive when the reader is about to type: it is selected, so that typing replaces it.
  useLayoutEffect(() => {
    if (text !== typed.current && document.activeElement === field.current) field.current?.select();
  }, [text]);
  return (
    <form
      class="prompt"
      onSubmit={(event) => {
        event.preventDefault();
        onText(text, false);
      }}
    >
      <div class="prompt-head">
        <label for={id}>Your text</label>
        <span id={`${id}-count`} class="prompt-count soft number">
          {props.tokens === null ? `up to ${MAX_INSPECT_TOKENS} tokens` : `${props.tokens} of ${MAX_INSPECT_TOKENS} tokens`}
        </span>
      </div>
      <textarea
        ref={field}
        id={id}
        class="field prompt-text"
        rows={2}
        value={text}
        placeholder="Write something"
        maxLength={2000}
        spellcheck={false}
        aria-invalid={props.invalid}
        aria-describedby={`${id}-count`}
        onInput={(event) => {
          typed.current = event.currentTarget.value;
          onText(typed.current, true);
        }}
        onKeyDown={(event) => {
          if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          event.currentTarget.form?.requestSubmit();
        }}
      />
      <div class="prompt-examples" role="group" aria-label="Examples">
        {props.examples.map((example) => (
          <button key={example} type="button" class="chip" onClick={() => onText(example, false)}>
            {example}
          </button>
        ))}
      </div>
    </form>
  );
}
