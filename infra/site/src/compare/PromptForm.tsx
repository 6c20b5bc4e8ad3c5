import { useEffect, useRef, useState } from 'preact/hooks';
import { MAX_PROMPT_CHARS } from '../api/limits.ts';
import { FIELDS, type Option, type Options, faultOf } from './options.ts';

interface Props {
  prompt: string;
  onPrompt(prompt: string): void;
  options: Options;
  onOptions(options: Options): void;
  examples: readonly string[];
  /** Whether a model alone writes two texts, at two temperatures. */
  alone: boolean;
  /** Whether answers are being written. */
  active: boolean;
  /** Of the newest prompt. */
  lastSeed: number | null;
  onSend(prompt: string): void;
  onStop(): void;
}

/** Form for one prompt to all models, with the settings of sampling. */
export function PromptForm(props: Props) {
  const { prompt, onPrompt, options, onOptions, examples, alone, active, lastSeed, onSend, onStop } = props;
  /** Whether the reader has tried to send the empty prompt. */
  const [missing, setMissing] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const field = (name: Option) => form.current?.querySelector<HTMLInputElement>(`[name=${name}]`);
  useEffect(() => {
    if (!active) return;
    const onKey = ({ key }: KeyboardEvent) => key === 'Escape' && onStop();
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, [active, onStop]);

  const fields = FIELDS.filter(({ name }) => alone || name !== 'second_temperature');
  const invalid = fields.find((one) => faultOf(one, options[one.name]) !== null);
  // One at a time.
  const fault = invalid ? faultOf(invalid, options[invalid.name]) : missing && prompt === '' ? 'Write a prompt first.' : null;
  const send = (text: string) => {
    if (active) return;
    setMissing(text === '');
    if (invalid) field(invalid.name)?.focus();
    else if (text === '') form.current?.querySelector('textarea')?.focus();
    else onSend(text);
  };
  const onPromptKey = (event: KeyboardEvent) => {
    // While a text is being composed, as in Japanese, Enter belongs to that.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send(prompt);
  };
  const keepSeed = () => {
    onOptions({ ...options, seed: String(lastSeed) });
    // The button goes, having done its work.
    field('seed')?.focus();
  };
  return (
    <form
      class="card ask"
      ref={form}
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        send(prompt);
      }}
    >
      <label class="ask-label" for="prompt">
        {alone ? 'One prompt, continued twice' : 'One prompt for all of them'}
      </label>
      <textarea
        id="prompt"
        class="field ask-prompt"
        rows={2}
        maxLength={MAX_PROMPT_CHARS}
        placeholder={alone ? 'Write a prompt; the model continues it at two temperatures.' : 'Write a prompt; each model continues it.'}
        value={prompt}
        onInput={(event) => onPrompt(event.currentTarget.value)}
        onKeyDown={onPromptKey}
      />
      <div class="ask-examples" role="group" aria-label="Examples">
        {examples.map((example) => (
          <button
            key={example}
            type="button"
            class="chip"
            onClick={() => {
              onPrompt(example);
              send(example);
            }}
          >
            {example}
          </button>
        ))}
      </div>
      <div class="ask-row">
        {fields.map(({ name, label, placeholder }) => (
          <label key={name} class={`ask-option ask-option-${name}`}>
            <span class="soft">{label}</span>
            <input
              name={name}
              class="field number"
              type="text"
              inputMode="decimal"
              autocomplete="off"
              placeholder={placeholder}
              aria-invalid={name === invalid?.name}
              aria-describedby={name === invalid?.name ? 'ask-fault' : undefined}
              value={options[name]}
              onInput={(event) => onOptions({ ...options, [name]: event.currentTarget.value })}
            />
          </label>
        ))}
        {/* Both are always there, and not `disabled`: the focus stays on what was pressed. */}
        <div class="ask-buttons">
          <button type="submit" class="button button-primary" aria-disabled={active}>
            {alone ? 'Write both' : 'Ask all'}
          </button>
          <button type="button" class="button" aria-disabled={!active} onClick={onStop}>
            Stop
          </button>
        </div>
      </div>
      {/* The fault takes the place of the hint, so that nothing moves. */}
      <p class="ask-hint soft">
        <span id="ask-fault" class="fault" role="alert">
          {fault}
        </span>
        {!fault && (
          <>
            Enter asks, Shift+Enter breaks the line, Escape stops.{' '}
            {alone ? 'Both texts have the same seed' : 'All get the same settings and the same seed'}
            {lastSeed === null ? '.' : <>: {lastSeed}. </>}
            {lastSeed !== null && options.seed !== String(lastSeed) && (
              <button type="button" class="link-button" onClick={keepSeed}>
                Keep this seed
              </button>
            )}
          </>
        )}
      </p>
    </form>
  );
}
