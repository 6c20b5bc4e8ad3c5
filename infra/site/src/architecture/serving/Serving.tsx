import type { LoadedModel } from '../../api/loaded-model.ts';
import { ColdStart } from './ColdStart.tsx';
import { Measured } from './Measured.tsx';
import { Section } from '../shared/Section.tsx';
import { SystemDrawing } from './SystemDrawing.tsx';
import type { Measure } from './use-measure.ts';
import type { TimedRequest } from './use-timings.ts';


/** What stands between the training and this page, and how fast it is. */
export function Serving(props: {
  details: LoadedModel;
  /** Whether the details are those of the recorded sample. */
  recorded: boolean;
  requests: readonly TimedRequest[];
  measure: Measure;
}) {
  const { details, recorded, requests, measure } = props;
  return (
    <Section
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
    </Section>
  );
}
