import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { type Client, isAbort } from '../api/client.ts';
import { ApiError } from '../api/error.ts';
import type { GenerateRequest, GenerateResponse } from '../api/types.ts';
import { perFrame } from '../components/per-frame.ts';

/** A model's answer to the newest prompt. */
export interface Answer {
  readonly request: GenerateRequest;
  /** The text so far. */
  readonly text: string;
  readonly phase: 'waiting' | 'writing' | 'done' | 'stopped' | 'failed';
  /** Of an answer that is done. */
  readonly result: GenerateResponse | null;
  /** Of one that failed. */
  readonly error: ApiError | null;
}

/** Answers of several models, and how to ask for them. */
export interface Answers {
  /** By column; null where none was asked for. */
  readonly answers: readonly (Answer | null)[];
  /** The newest complete answer of each: what speeds are told of. */
  readonly results: readonly (GenerateResponse | null)[];
  /** Whether any is being written. */
  readonly active: boolean;
  /** Asks all at the same time, or one of them again; `requestOf` has the request of each column. */
  ask(requestOf: (column: number) => GenerateRequest, only?: number): void;
  /** Ends all that are being written, here and on the servers. */
  stop(): void;
}

/** Asks the APIs behind `clients`; `kept` are earlier answers, and `onEnd` gets the column of each that has ended. */
export function useAnswers(
  clients: readonly (Client | null)[],
  kept: readonly (Answer | null)[],
  onEnd: (column: number, answer: Answer) => void,
): Answers {
  const [answers, setAnswers] = useState<readonly (Answer | null)[]>(() => clients.map((_, column) => kept[column] ?? null));
  const [results, setResults] = useState<readonly (GenerateResponse | null)[]>(() => clients.map((_, column) => kept[column]?.result ?? null));
  const running = useRef(new Map<number, AbortController>());
  const ended = useRef(onEnd);
  ended.current = onEnd;

  const stop = useCallback(() => running.current.forEach((control) => control.abort()), []);
  useEffect(() => stop, [stop]);

  const askOne = async (client: Client, column: number, request: GenerateRequest) => {
    const control = new AbortController();
    running.current.set(column, control);
    const answer = await write(client, request, control.signal, (answer) => setAnswers(put(column, answer)));
    running.current.delete(column);
    setAnswers(put(column, answer));
    if (answer.result) setResults(put(column, answer.result));
    ended.current(column, answer);
  };
  const ask = (requestOf: (column: number) => GenerateRequest, only?: number) => {
    clients.forEach((client, column) => {
      if (client && (only ?? column) === column && !running.current.has(column)) void askOne(client, column, requestOf(column));
    });
  };
  const active = answers.some((answer) => answer?.phase === 'waiting' || answer?.phase === 'writing');
  return { answers, results, active, ask, stop };
}

/** The list, with `value` in one of its places. */
function put<T>(column: number, value: T) {
  return (list: readonly (T | null)[]) => list.map((other, index) => (index === column ? value : other));
}

/** Requests one answer, calling `update` with every change; returns how it ended. */
async function write(
  client: Client,
  request: GenerateRequest,
  signal: AbortSignal,
  update: (answer: Answer) => void,
): Promise<Answer> {
  let answer: Answer = { request, text: '', phase: 'waiting', result: null, error: null };
  update(answer);
  const frames = perFrame(() => update(answer));
  const onText = (piece: string) => {
    answer = { ...answer, text: answer.text + piece, phase: 'writing' };
    frames.request();
  };
  try {
    const result = await client.generate(request, onText, signal);
    return { ...answer, text: result.response, phase: 'done', result };
  } catch (thrown) {
    if (isAbort(thrown) || signal.aborted) return { ...answer, phase: 'stopped' };
    return { ...answer, phase: 'failed', error: ApiError.wrap(thrown) };
  } finally {
    frames.cancel();
  }
}
