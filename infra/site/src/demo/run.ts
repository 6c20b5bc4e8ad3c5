import type { GenerateResponse, ModelRef, Timing } from '../api/types.ts';
import type { FixedOptions } from './options.ts';

/** A generation: its request, state and result. */
export interface Run {
  /** When it was begun, in milliseconds since 1970; names it. */
  readonly id: number;
  readonly prompt: string;
  readonly options: FixedOptions;
  /** The generated text so far. */
  readonly text: string;
  readonly phase: 'waiting' | 'writing' | 'done' | 'stopped' | 'failed';
  /** Of a text that is done. */
  readonly result: Result | null;
  /** How long it took, as the reader saw it; of a text that has ended. */
  readonly elapsedMs: number | null;
  /** How long the reader waited for the first of it; null until they are shown. */
  readonly firstTokenMs: number | null;
}

/** The API's figures for a text that is done. */
export interface Result {
  readonly tokens: number;
  readonly finishReason: GenerateResponse['finish_reason'];
  readonly timing: Timing;
  readonly model: ModelRef;
}

/** A text that is asked for. */
export function asked(prompt: string, options: FixedOptions): Run {
  return { id: Date.now(), prompt, options, text: '', phase: 'waiting', result: null, elapsedMs: null, firstTokenMs: null };
}

/** Whether the text is still being written. */
export function isActive(run: Run | null): boolean {
  return run !== null && (run.phase === 'waiting' || run.phase === 'writing');
}

/** `run` with the API's final answer. */
export function complete(run: Run, answer: GenerateResponse, elapsedMs: number): Run {
  return {
    ...run,
    text: answer.response,
    phase: 'done',
    elapsedMs,
    result: {
      tokens: answer.tokens_generated,
      finishReason: answer.finish_reason,
      timing: answer.timing,
      model: answer.model,
    },
  };
}
