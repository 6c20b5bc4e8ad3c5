import { useCallback, useEffect, useState } from 'preact/hooks';
import { SAMPLING_DEFAULTS } from '../api/limits.ts';
import { loadedModel } from '../api/loaded-model.ts';
import type { Candidate, GenerateResponse } from '../api/types.ts';
import { KeyForm } from '../components/status/KeyForm.tsx';
import { isAway, useSample } from '../components/sample/use-sample.ts';
import { Status } from '../components/status/Status.tsx';
import { useApi } from '../components/status/use-api.ts';
import { AttentionView } from './attention/AttentionView.tsx';
import type { HeadRef } from './attention/patterns.ts';
import { Blocks } from './blocks/Blocks.tsx';
import { Flow } from './flow/Flow.tsx';
import { Tour } from './flow/Tour.tsx';
import { type Outcome, stations } from './flow/stations.ts';
import { NextToken } from './next-token/NextToken.tsx';
import type { SamplingSettings } from './next-token/sampling.ts';
import { Notice } from './prompt/Notice.tsx';
import { Numbers } from './numbers/Numbers.tsx';
import { Serving } from './serving/Serving.tsx';
import { PromptForm } from './prompt/PromptForm.tsx';
import { Tokens } from './tokens/Tokens.tsx';
import { Training } from './training/Training.tsx';
import { useHandedOver } from './prompt/use-handed-over.ts';
import { type Prompt, useInspection } from './prompt/use-inspection.ts';
import { useMeasure } from './serving/use-measure.ts';
import { loadSample } from './prompt/sample.ts';
import { type Purpose, useTimings } from './serving/use-timings.ts';
import { useWalk } from './next-token/use-walk.ts';
import type { Walk } from './next-token/walk.ts';
import { Vectors } from './vectors/Vectors.tsx';

const SETTINGS: SamplingSettings = { temperature: SAMPLING_DEFAULTS.temperature, topK: SAMPLING_DEFAULTS.top_k, topP: SAMPLING_DEFAULTS.top_p };
/** For a model that brings no examples. */
const FIRST_WORDS = 'Once more the light';

/** The architecture page: a text on its way through the served model, section by section. */
export function Architecture() {
  const api = useApi();
  const known = loadedModel(api.state);
  const examples = known?.manifest.example_prompts ?? [];
  const handedOver = useHandedOver(api.client);
  const suggested = known && !handedOver.awaited ? (examples[0] ?? FIRST_WORDS) : null;
  const opened = handedOver.text ?? suggested;
  const [prompt, setPrompt] = useFirst<Prompt>(opened === null ? null : { text: opened, typing: false }, { text: '', typing: false });
  useEffect(() => {
    if (handedOver.text !== null) write(handedOver.text, false);
  }, [handedOver.text]);
  const live = useInspection(api, prompt);
  const sample = useSample(loadSample, live.inspection === null, api.error !== null || live.error !== null || isAway(api.state));

  const [requests, record] = useTimings();
  const timed = (purpose: Purpose) => (answer: GenerateResponse, roundTripMs: number) => {
    const { first_token_ms: firstTokenMs, tokens_per_second: rate } = answer.timing;
    record({ purpose, roundTripMs, firstTokenMs, tokensPerSecond: answer.tokens_generated > 1 ? rate : null });
  };
  useEffect(() => {
    if (live.roundTripMs !== null) record({ purpose: 'inspect', roundTripMs: live.roundTripMs, firstTokenMs: null, tokensPerSecond: null });
  }, [live.inspection]);

  const [settings, setSettings] = useState(SETTINGS);
  const replace = useCallback((text: string) => setPrompt({ text, typing: false }), []);
  const walk = useWalk({ client: api.client, live, text: prompt.text, settings, replace, onAnswer: timed('token') });
  const measure = useMeasure(known && api.client, prompt.text, settings, timed('text'));

  const inspection = live.inspection ?? sample?.inspection;
  const recorded = loadedModel(sample?.model);
  // A text is shown with the model that it went through, and all else with the one that is served.
  const ofText = live.inspection ? live.details : recorded;
  const details = known ?? recorded;
  const text = live.inspection ? live.text : sample?.prompt;
  const view = inspection && ofText && text ? { inspection, text, details: ofText } : null;

  const [token, setToken] = useState<number | null>(null);
  const [at, goTo] = useState<HeadRef>({ layer: 0, head: 0 });
  const last = (inspection?.tokens.length ?? 1) - 1;
  const chosen = {
    token: token === null ? last : Math.min(token, last),
    choose: (index: number) => setToken(index === last ? null : index),
  };
  // Another model may have fewer.
  const shown = {
    layer: Math.min(at.layer, (inspection?.model_info.layers ?? 1) - 1),
    head: Math.min(at.head, (inspection?.model_info.heads ?? 1) - 1),
  };
  const write = (text: string, typing: boolean) => {
    walk.reset();
    setPrompt({ text, typing });
  };
  const unauthorized = api.error?.code === 'unauthorized' || live.error?.code === 'unauthorized';
  const [step, setStep] = useState<number | null>(null);
  const way = stations(view, outcomeOf(inspection?.next[0], walk));
  const isStale = live.inspection !== null && live.text !== prompt.text;
  return (
    <div class="architecture">
      <header id="text" class="hero">
        <div class="hero-words">
          <h1>One text, all the way through a GPT</h1>
          <p class="lead">
            A GPT guesses how a text goes on, one small piece at a time. Write something, and follow it through the model: every
            step from your text to the next piece, with the real numbers.
          </p>
          <p class="tour-start">
            <button type="button" class="button" onClick={() => setStep(0)}>
              Take the tour, six steps
            </button>
          </p>
          <Status watch={api} />
          {unauthorized && <KeyForm client={api.client} onKept={() => (api.refresh(), live.retry())} />}
        </div>
        <div class="card">
          <PromptForm
            text={prompt.text}
            examples={examples}
            tokens={live.inspection && !isStale ? live.inspection.tokens.length : null}
            invalid={live.error?.field === 'prompt'}
            onText={write}
          />
          {/* One error at a time: that of the API is said above. */}
          <Notice live={live} sample={sample} text={prompt.text} error={api.error || unauthorized ? null : live.error} />
        </div>
      </header>
      <Flow view={view} way={way} />
      {step !== null && <Tour way={way} step={step} go={setStep} />}
      {view ? (
        <div class={`flow flow-text ${isStale ? 'flow-stale' : ''}`}>
          <Tokens view={view} {...chosen} />
          <Vectors view={view} {...chosen} />
          <Blocks view={view} layer={shown.layer} choose={(layer) => goTo({ ...shown, layer })} />
          <AttentionView view={view} at={shown} goTo={goTo} {...chosen} />
          <NextToken view={view} settings={settings} set={setSettings} walk={walk} />
        </div>
      ) : (
        <div class="awaited" aria-hidden="true" />
      )}
      {view && details && (
        <div class="flow flow-about">
          <Numbers details={details} />
          <Training details={details} />
          <Serving details={details} recorded={known === null} requests={requests} measure={measure} />
        </div>
      )}
    </div>
  );
}

/** The token that has just been drawn, or else the likeliest of the candidates. */
function outcomeOf(likeliest: Candidate | undefined, { steps }: Walk): Outcome | null {
  const step = steps.at(-1);
  if (step) return { text: step.text, chance: step.chance, drawn: true };
  return likeliest ? { text: likeliest.text, chance: likeliest.probability, drawn: false } : null;
}

/** A state that is `first` as soon as that is known, unless it was set before. */
function useFirst<T>(first: T | null, until: T): [T, (value: T) => void] {
  const [value, setValue] = useState<T | null>(null);
  useEffect(() => {
    if (first !== null) setValue((before) => before ?? first);
  }, [first !== null]);
  return [value ?? until, setValue];
}
