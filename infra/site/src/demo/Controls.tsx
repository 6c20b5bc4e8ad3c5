import { useEffect, useState } from 'preact/hooks';
import type { ApiError } from '../api/error.ts';
import { MAX_SEED } from '../api/limits.ts';
import { count } from '../components/format.ts';
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
  /** The server's complaint about a field. */
  readonly fault: ApiError | null;
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
          fault={fault?.field === name ? fault.message : null}
          onValue={(value) => onOptions({ ...options, [name]: value })}
        />
      ))}
      <SeedControl
        seed={options.seed}
        lastSeed={lastSeed}
        fault={fault?.field === 'seed' ? fault.message : null}
        onSeed={(seed) => onOptions({ ...options, seed })}
      />
    </section>
  );
}

/** A slider for the usual range, beside a field for all that the API accepts. */
function RangeControl(props: { name: Ranged; value: number; fault: string | null; onValue: (value: number) => void }) {
  const { name, value, fault, onValue } = props;
  const { label, help } = LABELS[name];
  const { min, max, slider, step } = RANGES[name];
  const id = `option-${name}`;
  return (
    <div class="control">
      <label for={id}>{label}</label>
      <DraftField
        id={id}
        text={String(value)}
        fault={fault}
        help={help}
        range={`${step < 1 ? 'A number' : 'A whole number'} from ${count(min) === '0' ? min : count(min)} to ${count(max)}.`}
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
    </div>
  );
}

function SeedControl(props: { seed: number | null; lastSeed: number | null; fault: string | null; onSeed: (seed: number | null) => void }) {
  const { seed, lastSeed, fault, onSeed } = props;
  return (
    <div class="control control-seed">
      <label for="option-seed">Seed</label>
      <DraftField
        id="option-seed"
        text={seed === null ? '' : String(seed)}
        placeholder="random"
        fault={fault}
        help="The same seed, prompt and settings give the same text."
        range={`A whole number from 0 to ${count(MAX_SEED)}, or nothing for another one each time.`}
        accept={(text) => {
          const parsed = parseSeed(text);
          if (parsed !== null || text.trim() === '') onSeed(parsed);
          return parsed !== null || text.trim() === '';
        }}
      />
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
  /** The server's complaint about it. */
  readonly fault: string | null;
  /** What it is for. */
  readonly help: string;
  /** What can be written. */
  readonly range: string;
  /** Takes what is written, if it can. */
  readonly accept: (text: string) => boolean;
}

/**
 * A number field that allows unfinished input, above its help, whose place the range takes while the input is invalid;
 * when it loses the focus, it shows the value that applies.
 */
function DraftField({ id, text, placeholder = '', fault, help, range, accept }: DraftProps) {
  const [draft, setDraft] = useState<string | null>(null);
  const [valid, setValid] = useState(true);
  // Another value from elsewhere, such as the slider, is newer than the draft.
  useEffect(() => setDraft((before) => (before !== null && Number(before) === Number(text) ? before : null)), [text]);
  const complaint = valid ? fault && `${fault}.` : range;
  return (
    <>
      <input
        id={id}
        class="field"
        type="text"
        inputMode="decimal"
        autocomplete="off"
        value={draft ?? text}
        placeholder={placeholder}
        aria-describedby={`${id}-help`}
        aria-invalid={complaint !== null}
        onInput={(event) => {
          setDraft(event.currentTarget.value);
          setValid(accept(event.currentTarget.value));
        }}
        onBlur={() => {
          setDraft(null);
          setValid(true);
        }}
      />
      <p id={`${id}-help`} class={`control-help ${complaint ? 'fault' : 'soft'}`} aria-live="polite">
        {complaint ?? help}
      </p>
    </>
  );
}
