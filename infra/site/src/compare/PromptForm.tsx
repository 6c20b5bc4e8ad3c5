import { useEffect, useRef, useState } from 'preact/hooks';
import { MAX_PROMPT_CHARS, MAX_SEED, SAMPLING_DEFAULTS, SAMPLING_LIMITS, randomSeed } from '../api/limits.ts';
import type { Sampling } from '../api/types.ts';

/** The settings as texts, as the fields have them. */
const DEFAULTS = {
  max_tokens: String(SAMPLING_DEFAULTS.max_tokens),
  temperature: String(SAMPLING_DEFAULTS.temperature),
  top_k: String(SAMPLING_DEFAULTS.top_k),
  top_p: String(SAMPLING_DEFAULTS.top_p),
  seed: '',
};
type Option = keyof typeof DEFAULTS;

const OPTIONS: { name: Option; label: string; min: number; max: number; step: number; placeholder?: string }[] = [
  { name: 'max_tokens', label: 'Length, tokens', ...SAMPLING_LIMITS.max_tokens, step: 1 },
  { name: 'temperature', label: 'Temperature', ...SAMPLING_LIMITS.temperature, step: 0.01 },
  { name: 'top_k', label: 'Top-k', ...SAMPLING_LIMITS.top_k, step: 1 },
  { name: 'top_p', label: 'Top-p', ...SAMPLING_LIMITS.top_p, step: 0.01 },
  { name: 'seed', label: 'Seed', min: 0, max: MAX_SEED, step: 1, placeholder: 'random' },
];

interface Props {
  examples: readonly string[];
  /** Whether answers are being written. */
  active: boolean;
  /** Of the newest prompt. */
  lastSeed: number | null;
  onSend(prompt: string, sampling: Sampling & { seed: number }): void;
  onStop(): void;
}

/** Form for one prompt to all models, with the settings of sampling. */
export function PromptForm({ examples, active, lastSeed, onSend, onStop }: Props) {
  const [prompt, setPrompt] = useState('');
  const [options, setOptions] = useState(DEFAULTS);
  const form = useRef<HTMLFormElement>(null);
  const seedField = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (!active) return;
    const onKey = ({ key }: KeyboardEvent) => key === 'Escape' && onStop();
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, [active, onStop]);

  const onSubmit = (event: Event) => {
    event.preventDefault();
    if (!active) onSend(prompt, toSampling(options));
  };
  const onPromptKey = (event: KeyboardEvent) => {
    // While a text is being composed, as in Japanese, Enter belongs to that.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.current?.requestSubmit();
  };
  const keepSeed = () => {
    setOptions({ ...options, seed: String(lastSeed) });
    // The button goes, having done its work.
    seedField.current?.focus();
  };
  return (
    <form class="card ask" ref={form} onSubmit={onSubmit}>
      <label class="ask-label" for="prompt">
        One prompt for all of them
      </label>
      <textarea
        id="prompt"
        class="field ask-prompt"
        rows={2}
        required
        maxLength={MAX_PROMPT_CHARS}
        placeholder="Write a prompt; each model continues it."
        value={prompt}
        onInput={(event) => setPrompt(event.currentTarget.value)}
        onKeyDown={onPromptKey}
      />
      <div class="ask-examples" role="group" aria-label="Examples">
        {examples.map((example) => (
          <button key={example} type="button" class="chip" onClick={() => setPrompt(example)}>
            {example}
          </button>
        ))}
      </div>
      <div class="ask-row">
        {OPTIONS.map(({ name, label, ...bounds }) => (
          <label key={name} class={`ask-option ask-option-${name}`}>
            <span class="soft">{label}</span>
            <input
              class="field number"
              type="number"
              inputMode="decimal"
              required={name !== 'seed'}
              {...bounds}
              ref={name === 'seed' ? seedField : undefined}
              value={options[name]}
              onInput={(event) => setOptions({ ...options, [name]: event.currentTarget.value })}
            />
          </label>
        ))}
        {/* Both are always there, and not `disabled`: the focus stays on what was pressed. */}
        <div class="ask-buttons">
          <button type="submit" class="button button-primary" aria-disabled={active}>
            Ask all
          </button>
          <button type="button" class="button" aria-disabled={!active} onClick={onStop}>
            Stop
          </button>
        </div>
      </div>
      <p class="ask-hint soft">
        Enter asks, Shift+Enter breaks the line, Escape stops. All get the same settings and the same seed
        {lastSeed === null ? '.' : <>: {lastSeed}. </>}
        {lastSeed !== null && options.seed !== String(lastSeed) && (
          <button type="button" class="link-button" onClick={keepSeed}>
            Keep this seed
          </button>
        )}
      </p>
    </form>
  );
}

function toSampling(options: typeof DEFAULTS): Sampling & { seed: number } {
  const topP = Number(options.top_p);
  return {
    max_tokens: Number(options.max_tokens),
    temperature: Number(options.temperature),
    top_k: Number(options.top_k),
    ...(topP < 1 && { top_p: topP }),
    seed: options.seed === '' ? randomSeed() : Number(options.seed),
  };
}
