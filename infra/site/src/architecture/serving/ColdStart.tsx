import type { StartTimes } from '../../api/types.ts';
import { milliseconds } from '../../components/format.ts';

/** The parts of a cold start, each as a bar from zero: some of them ran side by side. */
export function ColdStart({ start }: { start: StartTimes }) {
  const parts = [
    { name: 'read and verify the files', ms: start.files_ms },
    { name: 'load the runtime', ms: start.runtime_ms },
    { name: 'build the tokenizer', ms: start.tokenizer_ms },
    { name: 'prepare the weights', ms: start.session_ms },
  ];
  const total = start.ready_ms;
  const longest = Math.max(total ?? 0, ...parts.map(({ ms }) => ms));
  return (
    <>
      <dl class="time-bars">
        {parts.map(({ name, ms }) => (
          <TimeBar key={name} name={name} ms={ms} longest={longest} />
        ))}
        {total !== null && <TimeBar name="from the start of the process to ready" ms={total} longest={longest} class="time-total" />}
      </dl>
      <p class="soft figures">
        The runtime and the tokenizer load while the files download.
        {total === null && ' Another model was served before this one, so there is no total.'}
      </p>
    </>
  );
}

function TimeBar(props: { name: string; ms: number; longest: number; class?: string }) {
  return (
    <div class={props.class}>
      <dt>{props.name}</dt>
      <dd>
        <span class="time-track" aria-hidden="true">
          <span class="time-bar" style={{ width: `${(100 * props.ms) / props.longest}%` }} />
        </span>
        <span class="number">{milliseconds(props.ms)}</span>
      </dd>
    </div>
  );
}
