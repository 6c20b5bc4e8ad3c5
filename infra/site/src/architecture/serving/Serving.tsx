import type { LoadedModel } from '../../api/loaded-model.ts';
import { ColdStart } from './ColdStart.tsx';
import { Measured } from './Measured.tsx';
import { Section } from '../shared/Section.tsx';
import { SystemDrawing } from './SystemDrawing.tsx';
import type { Measure } from './use-measure.ts';
import type { TimedRequest } from './use-timings.ts';


/** Serving of the model: the system around it, cold starts, and latencies of this page's requests. */
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
            Nothing here runs all the time. The page is static files. A training job exists while it trains. The
            function that runs the model exists while there are requests: the first one after a pause starts it, a{' '}
            <strong>cold start</strong>; later ones find the model in memory. Without requests, all of it{' '}
            <strong>scales to zero</strong>.
          </p>
          <p>
            The store is a <strong>model registry</strong>: every training adds a version, and a version never changes. A small
            file, the channel, names the one that is live. Running functions look at it regularly, so a new model goes live, or
            an earlier one comes back, without a deployment.
          </p>
          <p>
            During generation the function keeps the keys and values of the text so far in a{' '}
            <strong>KV cache</strong>, so that each further token costs the work of one token. The cache of the last
            texts is kept between requests, so a text that continues one of them starts almost at once.
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
