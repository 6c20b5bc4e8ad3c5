import { useRef } from 'preact/hooks';
import { ErrorNote } from '../../components/status/ErrorNote.tsx';
import { milliseconds, precision, time } from '../../components/format.ts';
import { quoted } from '../../components/text/pieces.ts';
import type { Sample } from './sample.ts';
import type { Inspected } from './use-inspection.ts';
import type { ApiError } from '../../api/error.ts';

/** Source of the values below: the reader's own text, an earlier one, or the recorded sample; `error` says why not. */
export function Notice({ live, sample, text, error }: { live: Inspected; sample: Sample | null; text: string; error: ApiError | null }) {
  const wasRecorded = useRef(false);
  wasRecorded.current ||= sample !== null;
  return (
    // The notice of the sample is taller; its space stays when it goes, so that nothing moves.
    <div class={wasRecorded.current ? 'notice notice-tall' : 'notice'}>
      {error && <ErrorNote error={error} onRetry={live.retry} />}
      <p class={sample ? 'notice-sample' : 'soft'} role="status">
        {sample ? <Recorded sample={sample} /> : <Computed live={live} text={text} />}
      </p>
    </div>
  );
}

function Recorded({ sample }: { sample: Sample }) {
  const { model } = sample.inspection;
  return (
    <>
      <strong>Recorded sample, not live:</strong> {quoted(sample.prompt)}, recorded on {time(sample.recorded_at)} from{' '}
      {model.name} <span class="version">{model.version}</span>, {precision(model.precision)}. Your own text follows as soon
      as the model answers.
    </>
  );
}

function Computed({ live, text }: { live: Inspected; text: string }) {
  const { inspection, roundTripMs } = live;
  if (!inspection || roundTripMs === null) return <>Waiting for the model …</>;
  if (text === '') return <>Write something, and every value below is computed anew. Until then they are of {quoted(live.text ?? '')}.</>;
  if (live.text !== text) return <>{live.pending ? 'Computing …' : `What you see is of ${quoted(live.text ?? '')}.`}</>;
  return (
    <>
      Every value below was computed for this text, in <span class="number">{milliseconds(roundTripMs)}</span>, by{' '}
      {inspection.model.name} <span class="version">{inspection.model.version}</span>, {precision(inspection.model.precision)}.
    </>
  );
}
