import { MAX_MESSAGES, MAX_PROMPT_CHARS } from '../../api/limits.ts';
import type { ChatAnswer, Message } from '../../api/types.ts';

/** A message of the reader, and what the model answers. */
export interface Exchange {
  /** When it was begun, in milliseconds since 1970; names it. */
  readonly id: number;
  readonly question: string;
  /** The answer so far. */
  readonly answer: string;
  readonly phase: 'waiting' | 'writing' | 'done' | 'stopped' | 'failed';
  /** How the answer ended, if it is done. */
  readonly result: ChatAnswer | null;
}

/** Whether the answer is still being written. */
export function isActive(exchange: Exchange | undefined): boolean {
  return exchange?.phase === 'waiting' || exchange?.phase === 'writing';
}

/** The messages that ask for an answer to `question`, and how many of the oldest are too many for a request. */
export function messages(earlier: readonly Exchange[], question: string): { sent: Message[]; dropped: number } {
  const all: Message[] = earlier.flatMap(({ question, answer }) => [
    { role: 'user' as const, content: question },
    { role: 'assistant' as const, content: answer },
  ]);
  all.push({ role: 'user', content: question });
  // The limit is of Unicode characters, which are no more than what JavaScript counts.
  let chars = all.reduce((sum, { content }) => sum + content.length, 0);
  let dropped = 0;
  while (dropped + 1 < all.length && (chars > MAX_PROMPT_CHARS || all.length - dropped > MAX_MESSAGES)) {
    chars -= all.slice(dropped, dropped + 2).reduce((sum, { content }) => sum + content.length, 0);
    dropped += 2;
  }
  return { sent: all.slice(dropped), dropped };
}

/** How an answer ended, in words; null while it is being written. */
export function ending({ phase, result }: Exchange): string | null {
  if (phase === 'stopped') return 'stopped';
  if (phase === 'failed') return 'not answered';
  if (phase !== 'done') return null;
  return result?.finish_reason === 'length' ? 'cut off: the answer had no more room or time' : 'the answer is complete';
}
