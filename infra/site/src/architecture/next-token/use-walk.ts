import { useEffect, useRef, useState } from 'preact/hooks';
import { type Client, isAbort } from '../../api/client.ts';
import { ApiError } from '../../api/error.ts';
import type { GenerateResponse } from '../../api/types.ts';
import type { Inspected } from '../prompt/use-inspection.ts';
import { type SamplingSettings, drawAt, toRequest } from './sampling.ts';
import { type Step, type Walk, endOf, obstacleTo, remarkOn, stepOf } from './walk.ts';

/** How long the drawn bar is marked before the text grows and all bars change. */
const MARKED_MS = 500;

/** The state of the page that step-by-step generation depends on. */
interface WalkSetting {
  readonly client: Client | null;
  readonly live: Inspected;
  readonly text: string;
  readonly settings: SamplingSettings;
  /** Replaces the page's text. */
  readonly replace: (text: string) => void;
  readonly onAnswer: (answer: GenerateResponse, roundTripMs: number) => void;
}

/** Step-by-step generation from the page's text. */
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
      const draw = drawAt(inspection.next, settings);
      const start = performance.now();
      const request = { prompt: text, max_tokens: 1, ...toRequest(settings), seed };
      const answer = await client.generate(request, () => {}, controller.signal);
      onAnswer(answer, performance.now() - start);
      const reason = endOf(answer);
      if (reason) {
        setEnded(reason);
      } else {
        const step = stepOf(answer, inspection.next, draw);
        setDrawn(step.rank);
        await pause(MARKED_MS, controller.signal);
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

/** A short seed to begin with, easy to read. */
const firstSeed = () => Math.floor(Math.random() * 9000) + 1000;
