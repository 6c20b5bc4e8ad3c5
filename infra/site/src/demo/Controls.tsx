import { useEffect, useState } from 'preact/hooks';
import { DEFAULTS, type Options, RANGES, type Ranged, parseRanged, parseSeed } from './options.ts';

const LABELS: Record<Ranged, { label: string; help: string }> = {
  temperature: { label: 'Temperature', help: '0 always takes the likeliest token (greedy); higher is more varied.' },
  top_k: { label: 'Top-k', help: 'Draws from this many of the likeliest tokens.' },
  top_p: { label: 'Top-p', help: 'Of these, only the likeliest that together have this probability.' },
  max_tokens: { label: 'Length', help: 'The most tokens to generate.' },
};

interface Props {
  readonly options: Options;
  readonly onOptions: (options: Options) => void;
  /** The field that the server complained about. */
  readonly fault: string | undefined;
  /** The seed of the text that is shown. */
  readonly lastSeed: number | null;
}

/** Settings of the generation: temperature, top-k, top-p, length, seed. */
export function Controls({ options, onOptions, fault, lastSeed }: Props) {
  return (
    <section class="card controls" aria-labelledby="controls-title">
      <div class="card-head">
        <h2 id="controls-title">Settings</h2>
        <button type="button" class="button button-quiet" onClick={() => onOptions(DEFAULTS)}>
          Reset
        </button>
      </div>
      {(Object.keys(LABELS) as Ranged[]).map((name) => (
        <RangeControl
          key={name}
          name={name}
          value={options[name]}
          fault={fault === name}
          onValue={(value) => onOptions({ ...options, [name]: value })}
        />
      ))}
      <SeedControl
        seed={options.seed}
        lastSeed={lastSeed}
        fault={fault === 'seed'}
        onSeed={(seed) => onOptions({ ...options, seed })}
      />
    </section>
  );
}

/** A slider for the usual range, beside a field for all that the API accepts. */
function RangeControl(props: { name: Ranged; value: number; fault: boolean; onValue: (value: number) => void }) {
  const { name, value, fault, onValue } = props;
  const { label, help } = LABELS[name];
  const { min, slider, step } = RANGES[name];
  const id = `option-${name}`;
  return (
    <div class="control">
      <label for={id}>{label}</label>
      <DraftField
        id={id}
        text={String(value)}
        fault={fault}
        describedBy={`${id}-help`}
        accept={(text) => {
          const parsed = parseRanged(name, text);
          if (parsed !== null) onValue(parsed);
          return parsed !== null;
        }}
      />
      <input
        type="range"
        aria-label={`${label}, slider`}
        min={min}
        max={slider}
        step={step}
        value={value}
        onInput={(event) => onValue(event.currentTarget.valueAsNumber)}
      />
      <p id={`${id}-help`} class="control-help soft">
        {help}
      </p>
    </div>
  );
}

function SeedControl(props: { seed: number | null; lastSeed: number | null; fault: boolean; onSeed: (seed: number | null) => void }) {
  const { seed, lastSeed, fault, onSeed } = props;
  return (
    <div class="control">
      <label for="option-seed">Seed</label>
      <DraftField
        id="option-seed"
        text={seed === null ? '' : String(seed)}
        placeholder="random"
        fault={fault}
        describedBy="option-seed-help"
        accept={(text) => {
          const parsed = parseSeed(text);
          if (parsed !== null || text.trim() === '') onSeed(parsed);
          return parsed !== null || text.trim() === '';
        }}
      />
      <p id="option-seed-help" class="control-help soft">
        The same seed, prompt and settings give the same text.
      </p>
      <button type="button" class="button control-wide" disabled={lastSeed === null} onClick={() => onSeed(lastSeed)}>
        Keep the seed of this text
      </button>
    </div>
  );
}

interface DraftProps {
  readonly id: string;
  /** Its text while it is not being edited. */
  readonly text: string;
  readonly placeholder?: string;
  readonly fault: boolean;
  readonly describedBy: string;
  /** Takes what is written, if it can. */
  readonly accept: (text: string) => boolean;
}

/** A number field that allows unfinished input; when it loses the focus, it shows the value that applies. */
function DraftField({ id, text, placeholder = '', fault, describedBy, accept }: DraftProps) {
  const [draft, setDraft] = useState<string | null>(null);
  const [valid, setValid] = useState(true);
  // Another value from elsewhere, such as the slider, is newer than the draft.
  useEffect(() => setDraft((before) => (before !== null && Number(before) === Number(text) ? before : null)), [text]);
  return (
    <input
      id={id}
      class="field"
      type="text"
      inputMode="decimal"
      autocomplete="off"
      value={draft ?? text}
      placeholder={placeholder}
      aria-describedby={describedBy}
      aria-invalid={fault || !valid}
      onInput={(event) => {
        setDraft(event.currentTarget.value);
        setValid(accept(event.currentTarget.value));
      }}
      onBlur={() => {
        setDraft(null);
        setValid(true);
      }}
    />
  );
}
