import { useEffect, useRef, useState } from 'preact/hooks';
import { type Client, isAbort } from '../api/client.ts';
import { ApiError } from '../api/error.ts';
import type { GenerateResponse } from '../api/types.ts';
import type { Settings } from './NextToken.tsx';
import { type Draw, drawAt } from './sampling.ts';
import type { Inspected } from './use-inspection.ts';

/** How long a reader may look at the bar that was drawn, before the text grows and all bars change. */
const LOOK_MS = 500;
/** The most tokens that the API looks into. */
export const MOST_TOKENS = 64;

/** A token that was drawn and put behind the text. */
export interface Step {
  readonly text: string;
  readonly seed: number;
  /** How likely it was, if it is among the candidates. */
  readonly chance: number | null;
  readonly probability: number | null;
  readonly rank: number | null;
}

/** Generation, one token at a time. */
export interface Walk {
  /** What the walk started from, and where it is. */
  readonly start: string;
  readonly steps: readonly Step[];
  /** The seed of the next draw. */
  readonly seed: number;
  readonly setSeed: (seed: number) => void;
  /** The rank of the token that has just been drawn and is about to be put behind the text. */
  readonly drawn: number | null;
  readonly busy: boolean;
  readonly error: ApiError | null;
  /** Why there can be no next token; null if there can, or can in a moment. */
  readonly obstacle: string | null;
  /** Whether one can be drawn now. */
  readonly ready: boolean;
  /** Something about the last step that is worth knowing. */
  readonly remark: string | null;
  readonly next: () => void;
  readonly back: () => void;
  /** The reader has written another text, from which a walk starts anew. */
  readonly reset: () => void;
}

/** What a walk needs from the page. */
interface WalkSetting {
  readonly client: Client | null;
  readonly live: Inspected;
  readonly text: string;
  readonly settings: Settings;
  /** Puts another text in the place of the page's. */
  readonly replace: (text: string) => void;
  readonly onAnswer: (answer: GenerateResponse, roundTripMs: number) => void;
}

/** Walks on from the page's text. */
export function useWalk({ client, live, text, settings, replace, onAnswer }: WalkSetting): Walk {
  const [steps, setSteps] = useState<readonly Step[]>([]);
  const [seed, setSeed] = useState(firstSeed);
  const [drawn, setDrawn] = useState<number | null>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError | null>(null);
  const [ended, setEnded] = useState<string | null>(null);
  const abort = useRef<AbortController | null>(null);
  useEffect(() => () => abort.current?.abort(), []);

  const { inspection } = live;
  const isCurrent = inspection !== null && live.text === text;
  const obstacle = obstacleTo(live, isCurrent) ?? ended;
  const ready = client !== null && isCurrent && obstacle === null && !busy;

  const chooseSeed = (chosen: number) => {
    setSeed(chosen);
    setEnded(null);
  };
  const reset = () => {
    abort.current?.abort();
    setSteps([]);
    setEnded(null);
    setError(null);
    setDrawn(null);
    setBusy(false);
  };
  const next = async () => {
    if (!client || !inspection || !ready) return;
    const controller = new AbortController();
    abort.current = controller;
    setBusy(true);
    setError(null);
    try {
      const draw = drawAt(inspection.next, settings.temperature, settings.topK);
      const start = performance.now();
      const request = { prompt: text, max_tokens: 1, temperature: settings.temperature, top_k: settings.topK, seed };
      const answer = await client.generate(request, () => {}, controller.signal);
      onAnswer(answer, performance.now() - start);
      const reason = endOf(answer);
      if (reason) {
        setEnded(reason);
      } else {
        const step = stepOf(answer, inspection.next, draw);
        setDrawn(step.rank);
        await pause(LOOK_MS, controller.signal);
        setSteps((before) => [...before, step]);
        setSeed(seed + 1);
        replace(text + answer.response);
      }
    } catch (thrown) {
      if (isAbort(thrown)) return;
      setError(ApiError.wrap(thrown));
    }
    setDrawn(null);
    setBusy(false);
  };
  const back = () => {
    const last = steps.at(-1);
    if (!last || busy) return;
    setSteps(steps.slice(0, -1));
    chooseSeed(last.seed);
    replace(text.slice(0, text.length - last.text.length));
  };
  const grown = steps.reduce((length, step) => length + step.text.length, 0);
  return {
    start: text.slice(0, text.length - grown),
    steps,
    seed,
    setSeed: chooseSeed,
    drawn,
    busy,
    error,
    obstacle,
    ready,
    remark: isCurrent ? remarkOn(live, steps) : null,
    next: () => void next(),
    back,
    reset,
  };
}

function stepOf(answer: GenerateResponse, candidates: { text: string; probability: number }[], draw: Draw): Step {
  // The API tells the text of what it drew. Among texts that are whole characters it is unique.
  const found = candidates.findIndex((candidate) => candidate.text === answer.response);
  const rank = found < 0 ? null : found;
  return {
    text: answer.response,
    seed: answer.seed,
    rank,
    chance: rank === null ? null : (draw.chances[rank] ?? null),
    probability: rank === null ? null : (candidates[rank]?.probability ?? null),
  };
}

/** Why a text cannot go on after an answer, or null. */
function endOf({ response, finish_reason: reason }: GenerateResponse): string | null {
  if (reason === 'stop') return 'The model drew its mark for the end of a text. Take another seed to go on.';
  if (response === '' || response.includes('\uFFFD')) {
    return 'A token was drawn that is only a part of a character, which a text cannot end with. Take another seed to go on.';
  }
  return null;
}

function obstacleTo(live: Inspected, isCurrent: boolean): string | null {
  if (!live.inspection) return 'There is no model to draw from at the moment.';
  if (!isCurrent) return live.error ? 'The text could not be computed.' : null;
  const { tokens, model_info: info } = live.inspection;
  const most = Math.min(MOST_TOKENS, info.context_length);
  return tokens.length >= most ? `The text has ${tokens.length} tokens, and this page can look into ${most}.` : null;
}

/** The tokens of a text may be others than those that were drawn: text alone is passed on. */
function remarkOn({ inspection }: Inspected, steps: readonly Step[]): string | null {
  const last = steps.at(-1);
  const end = inspection?.tokens.at(-1)?.text;
  if (!last || end === undefined || end === last.text) return null;
  return 'As the text is cut anew each time, the new token has become one piece with the one before it.';
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

/** Somewhere to begin, in numbers that can be read aloud. */
const firstSeed = () => Math.floor(Math.random() * 9000) + 1000;
