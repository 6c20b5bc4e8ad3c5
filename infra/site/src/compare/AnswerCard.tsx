import { useEffect, useRef } from 'preact/hooks';
import type { Client } from '../api/client.ts';
import { ErrorNote } from '../components/status/ErrorNote.tsx';
import { KeyForm } from '../components/status/KeyForm.tsx';
import { Status } from '../components/status/Status.tsx';
import { count, milliseconds } from '../components/format.ts';
import { fewerLineEnds } from '../components/text/line-ends.ts';
import type { ModelWatch } from '../components/status/use-model.ts';
import type { Answer } from './use-answers.ts';

interface Props {
  column: number;
  name: string;
  address: string;
  client: Client | null;
  watch: ModelWatch;
  /** Whether the state of the model is shown. */
  state: boolean;
  answer: Answer | null;
  onAgain(): void;
}

/** Card of one model: its status and its answer. */
export function AnswerCard({ column, name, address, client, watch, state, answer, onAgain }: Props) {
  const refused = answer?.error?.code === 'unauthorized';
  const unauthorized = watch.error?.code === 'unauthorized' || refused;
  const onKept = () => {
    watch.refresh();
    if (refused) onAgain();
  };
  return (
    <section class={`card answer legend-${column % 6}`} aria-labelledby={`name-${column}`}>
      <h2 id={`name-${column}`}>{name}</h2>
      <p class="answer-address soft">{address}</p>
      {/* One error at a time: that of the answer is said below it. */}
      {state && (unauthorized ? <KeyForm client={client} onKept={onKept} /> : !(watch.error && answer?.error) && <Status watch={watch} />)}
      <AnswerText answer={answer} name={name} />
      <div class="answer-foot">
        {answer?.error && !refused ? <ErrorNote error={answer.error} onRetry={onAgain} /> : <p class="soft number">{footOf(answer)}</p>}
      </div>
    </section>
  );
}

function AnswerText({ answer, name }: { answer: Answer | null; name: string }) {
  const box = useRef<HTMLDivElement>(null);
  const text = answer?.text ?? '';
  // Follows the end of the text, unless the reader has scrolled away from it.
  useEffect(() => {
    const element = box.current;
    if (element && element.scrollHeight - element.scrollTop - element.clientHeight < 80) element.scrollTop = element.scrollHeight;
  }, [text]);
  return (
    <div class="answer-text" ref={box} tabIndex={0} role="group" aria-label={`Answer of ${name}`}>
      {answer ? (
        <>
          <span class="soft">{answer.request.prompt}</span>
          {fewerLineEnds(text)}
          {answer.phase === 'writing' && <span class="caret" aria-hidden="true" />}
        </>
      ) : (
        <span class="soft answer-hint">Its answer appears here.</span>
      )}
    </div>
  );
}

/** How the answer came about. */
function footOf(answer: Answer | null): string {
  switch (answer?.phase) {
    case 'waiting':
      return 'Waiting for its first token';
    case 'writing':
      return 'Writing';
    case 'stopped':
      return 'Stopped';
    case 'done': {
      const { timing, tokens_generated: tokens, finish_reason: reason } = answer.result!;
      const early = reason === 'deadline' ? ' (ended by the time limit)' : '';
      return (
        `${count(tokens)} tokens in ${milliseconds(timing.total_ms)}${early}, ${count(timing.tokens_per_second)} tokens/s, ` +
        `first after ${milliseconds(timing.first_token_ms)}`
      );
    }
    default:
      return '';
  }
}
