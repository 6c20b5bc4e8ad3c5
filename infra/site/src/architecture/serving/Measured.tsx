import { ErrorNote } from '../../components/status/ErrorNote.tsx';
import { count, milliseconds } from '../../components/format.ts';
import { MEASURED_TOKENS, type Measure } from './use-measure.ts';
import { type Purpose, type TimedRequest, median } from './use-timings.ts';

const PURPOSES: Record<Purpose, string> = {
  inspect: 'inspection',
  token: 'one token',
  text: `${MEASURED_TOKENS} tokens`,
};

/** Median latencies of this page's requests, by kind. */
export function Measured({ requests, measure }: { requests: readonly TimedRequest[]; measure: Measure }) {
  return (
    <>
      <div class="table-box">
        <table class="table measured">
          <thead>
            <tr>
              <th scope="col">Request</th>
              <th scope="col">Count</th>
              <th scope="col">Round trip</th>
              <th scope="col">First token</th>
              <th scope="col">Tokens/s</th>
            </tr>
          </thead>
          <tbody>
            {(Object.keys(PURPOSES) as Purpose[]).map((purpose) => (
              <Row key={purpose} purpose={purpose} requests={requests.filter((request) => request.purpose === purpose)} />
            ))}
          </tbody>
        </table>
      </div>
      <div class="measure">
        <button type="button" class="button" aria-disabled={measure.busy || !measure.start} onClick={() => measure.start?.()}>
          Generate {MEASURED_TOKENS} tokens
        </button>
        <span class="soft" role="status">
          {measure.busy ? 'Generating …' : null}
        </span>
      </div>
      {measure.error && <ErrorNote error={measure.error} />}
      <p class="soft figures">
        Medians. The round trip was measured by this page, first token and tokens/s by the server; a single token has
        no rate.
      </p>
    </>
  );
}

function Row({ purpose, requests }: { purpose: Purpose; requests: readonly TimedRequest[] }) {
  const [first, rate] = [median(requests.map((one) => one.firstTokenMs)), median(requests.map((one) => one.tokensPerSecond))];
  const roundTrip = median(requests.map((one) => one.roundTripMs));
  const shown = (ms: number | null) => (ms === null ? '–' : milliseconds(ms));
  return (
    <tr>
      <th scope="row">{PURPOSES[purpose]}</th>
      <td>{requests.length}</td>
      <td>{shown(roundTrip)}</td>
      <td>{shown(first)}</td>
      <td>{rate === null ? '–' : count(rate)}</td>
    </tr>
  );
}
