import type { StartTimes } from '../api/types.ts';
import { milliseconds } from '../components/format.ts';
import { Measured } from './Measured.tsx';
import { Stage } from './Stage.tsx';
import { SystemDrawing } from './SystemDrawing.tsx';
import type { Measure } from './use-measure.ts';
import type { TimedRequest } from './use-timings.ts';
import type { Details } from './view.ts';

/** What stands between the training and this page, and how fast it is. */
export function Production(props: {
  details: Details;
  /** Whether the details are those of the recorded sample. */
  recorded: boolean;
  requests: readonly TimedRequest[];
  measure: Measure;
}) {
  const { details, recorded, requests, measure } = props;
  return (
    <Stage
      id="production"
      wide
      title="How it is served"
      words={
        <>
          <p>
            Nothing here runs all the time. The page is a folder of files. A training job exists while it trains. And
            the function that computes exists while it is asked: the first request after a pause starts it, which is the{' '}
            <strong>cold start</strong>; those after it find the model in memory. Without readers, all of it{' '}
            <strong>scales to zero</strong>.
          </p>
          <p>
            A version in the store is never changed. Which one is live is said by one small file, and a function that
            runs looks at it again and again: a new model takes over without a deployment, and an old one comes back
            the same way.
          </p>
          <p>
            While it generates, the function keeps the keys and values of the text so far: a further token costs one
            token's work. For a text that was computed just before, even the first token is almost free.
          </p>
        </>
      }
    >
      <SystemDrawing details={details} />
      <div class="speeds">
        <div>
          <h3>Cold: how the process that {recorded ? 'answered' : 'answers'} started</h3>
          {details.start ? <ColdStart start={details.start} /> : <p class="soft">It was not measured.</p>}
          {recorded && <p class="soft figures">Measured where the sample was recorded.</p>}
        </div>
        <div>
          <h3>Warm: your own requests on this page</h3>
          <Measured requests={requests} measure={measure} />
        </div>
      </div>
    </Stage>
  );
}

/** The parts of a cold start, each as a bar from zero: some of them ran side by side. */
function ColdStart({ start }: { start: StartTimes }) {
  const parts = [
    { name: 'read and verify the files', ms: start.files_ms },
    { name: 'load the runtime', ms: start.runtime_ms },
    { name: 'make the tokenizer', ms: start.tokenizer_ms },
    { name: 'lay out the weights', ms: start.session_ms },
  ];
  const total = start.ready_ms;
  const longest = Math.max(total ?? 0, ...parts.map(({ ms }) => ms));
  const width = (ms: number) => `${(100 * ms) / longest}%`;
  return (
    <>
      <dl class="time-bars">
        {parts.map(({ name, ms }) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>
              <span class="time-track" aria-hidden="true">
                <span class="time-bar" style={{ width: width(ms) }} />
              </span>
              <span class="number">{milliseconds(ms)}</span>
            </dd>
          </div>
        ))}
        {total !== null && (
          <div class="time-total">
            <dt>from the start of the process to ready</dt>
            <dd>
              <span class="time-track" aria-hidden="true">
                <span class="time-bar" style={{ width: width(total) }} />
              </span>
              <span class="number">{milliseconds(total)}</span>
            </dd>
          </div>
        )}
      </dl>
      <p class="soft figures">
        The runtime is loaded and the tokenizer made while the files come.
        {total === null && ' Another model was served before this one, so there is no total.'}
      </p>
    </>
  );
}
