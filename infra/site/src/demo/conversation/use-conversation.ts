import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { type Client, isAbort } from '../../api/client.ts';
import { ApiError } from '../../api/error.ts';
import { SAMPLING_DEFAULTS } from '../../api/limits.ts';
import { perFrame } from '../../components/per-frame.ts';
import type { Api } from '../../components/status/use-api.ts';
import { modelId } from '../share.ts';
import { type Exchange, messages } from './exchange.ts';

/** A conversation, and its controls. */
export interface Conversing {
  readonly exchanges: readonly Exchange[];
  /** Why the last message has no answer. */
  readonly error: ApiError | null;
  /** Number of the oldest messages that the last answer was written without. */
  readonly dropped: number;
  /** Sends a message, in the place of one that failed. Whether it does: not while an answer is being written. */
  say(question: string): boolean;
  /** Ends the answer that is being written, here and on the server. */
  stop(): void;
  /** Forgets everything. */
  restart(): void;
}

/** Has a conversation with the model behind `api`. */
export function useConversation({ client, state, refresh }: Api): Conversing {
  const [exchanges, setExchanges] = useState<readonly Exchange[]>([]);
  const [error, setError] = useState<ApiError | null>(null);
  const [dropped, setDropped] = useState(0);
  const abort = useRef<AbortController | null>(null);
  const ended = useRef<(failed: boolean, answered: string | undefined) => void>(() => {});
  ended.current = (failed, answered) => {
    // The facts shown about the model may be out of date.
    if (failed || (state?.model && answered && modelId(state.model) !== answered)) refresh();
  };

  const stop = useCallback(() => abort.current?.abort(), []);
  useEffect(() => stop, [stop]);

  const say = (question: string) => {
    if (!client || abort.current || question.trim() === '') return false;
    const control = new AbortController();
    abort.current = control;
    setError(null);
    const earlier = exchanges.filter(({ phase }) => phase !== 'failed');
    const request = messages(earlier, question);
    const update = (exchange: Exchange) => abort.current === control && setExchanges([...earlier, exchange]);
    void answer(client, question, request.sent, control, update).then(([last, failure]) => {
      // Another conversation may have begun; then this one is gone.
      if (abort.current === control) {
        update(last);
        abort.current = null;
        setError(failure);
        if (last.result) setDropped(request.dropped + last.result.dropped);
      }
      ended.current(failure !== null, last.result?.model);
    });
    return true;
  };

  const restart = () => {
    stop();
    abort.current = null;
    setError(null);
    setDropped(0);
    setExchanges([]);
  };

  return { exchanges, error, dropped, say, stop, restart };
}

/** Asks for one answer, calling `update` with every change; returns how it ended, and the error if it failed. */
async function answer(
  client: Client,
  question: string,
  sent: ReturnType<typeof messages>['sent'],
  { signal }: AbortController,
  update: (exchange: Exchange) => void,
): Promise<[Exchange, ApiError | null]> {
  let exchange: Exchange = { id: Date.now(), question, answer: '', phase: 'waiting', result: null };
  update(exchange);
  const frames = perFrame(() => {
    if (!signal.aborted) update(exchange);
  });
  const onText = (piece: string) => {
    exchange = { ...exchange, answer: exchange.answer + piece, phase: 'writing' };
    frames.request();
  };
  const { temperature, top_k } = SAMPLING_DEFAULTS;
  try {
    const result = await client.chat({ messages: sent, temperature, top_k }, onText, signal);
    return [{ ...exchange, phase: 'done', result }, null];
  } catch (thrown) {
    if (isAbort(thrown) || signal.aborted) return [{ ...exchange, phase: 'stopped' }, null];
    return [{ ...exchange, phase: 'failed' }, ApiError.wrap(thrown)];
  } finally {
    frames.cancel();
  }
}
