import { count, milliseconds, seconds } from '../components/format.ts';
import { useClock } from '../components/status/use-clock.ts';
import { type Run, isActive } from './run.ts';

/** Time, tokens and speed of a text; while it is generated, the time so far. */
export function Facts({ run, waitingFor }: { run: Run | null; waitingFor: string }) {
  return (
    <p class="output-facts number">
      {run && isActive(run) && <Elapsed run={run} waitingFor={waitingFor} />}
      {run && !isActive(run) && facts(run).map((fact, index) => (index === 0 ? <strong key={fact}>{fact}</strong> : <span key={fact}>{fact}</span>))}
    </p>
  );
}

function Elapsed({ run, waitingFor }: { run: Run; waitingFor: string }) {
  useClock(true);
  return (
    <>
      <strong>{run.phase === 'waiting' ? 'Waiting for the first token' : 'Writing'}</strong>
      <span>{seconds(Math.max(0, Date.now() - run.id) / 1000)}</span>
      {run.phase === 'waiting' && waitingFor && <span>{waitingFor}</span>}
    </>
  );
}

/** Facts about a text that has ended, the most important first. */
export function facts({ phase, options, result, elapsedMs, firstTokenMs }: Run): string[] {
  const seed = `seed ${options.seed}`;
  if (phase === 'done' && result) {
    const { timing, tokens, finishReason } = result;
    return [
      `Generated in ${seconds(timing.total_ms / 1000)}`,
      tokens === 1 ? '1 token' : `${count(tokens)} tokens`,
      `${timing.tokens_per_second} tokens/s`,
      ...(firstTokenMs === null ? [] : [`first token after ${milliseconds(firstTokenMs)}`]),
      seed,
      ...(finishReason === 'deadline' ? ['ended by the time limit'] : []),
    ];
  }
  const after = seconds((elapsedMs ?? 0) / 1000);
  return [phase === 'stopped' ? `Stopped after ${after}` : `Failed after ${after}`, seed];
}
