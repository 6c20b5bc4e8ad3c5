import type { Loading, ModelState } from '../../api/types.ts';
import { ErrorNote } from './ErrorNote.tsx';
import { precision, seconds } from '../format.ts';
import { useClock } from './use-clock.ts';
import type { ModelWatch } from './use-model.ts';

/** A warm server answers faster than this; a slower one is shown as waking up. */
const AWAKE_MS = 700;

const STEPS: Record<Loading['step'], string> = {
  channel: 'reading which version is live',
  files: 'fetching its files',
  weights: 'loading its weights',
};

/**
 * Status line: the served model, the progress of its loading, or the error. One line, so that nothing moves. There is
 * none where a key is wanted: the form for it says all.
 */
export function Status({ watch }: { watch: ModelWatch }) {
  const { state, askedAt } = watch;
  const now = useClock(askedAt !== null && state?.status !== 'ready');
  if (watch.error?.code === 'unauthorized') return null;
  if (watch.error) {
    return (
      <div class="status">
        <ErrorNote error={watch.error} onRetry={watch.refresh} />
      </div>
    );
  }
  const { tone, text } = describe(state, askedAt === null ? 0 : Math.max(0, now - askedAt));
  return (
    <div class="status">
      <span class={`dot dot-${tone}`} aria-hidden="true" />
      {/* A change of state is announced, the seconds are not. */}
      <span role="status">
        <strong>{text.title}</strong>
        {text.detail && <span class="status-detail">: {text.detail}</span>}
      </span>
      {text.seconds !== undefined && <span class="status-detail number">{seconds(text.seconds)}</span>}
    </div>
  );
}

type Tone = 'ready' | 'busy' | 'none';
interface Line {
  tone: Tone;
  text: { title: string; detail?: string; seconds?: number };
}

/** The line for what is known. `waitedMs` is how long an answer has been awaited. */
export function describe(state: ModelState | null, waitedMs: number): Line {
  if (state?.status === 'ready' && state.model) {
    const { name, precision: stored } = state.model;
    return { tone: 'ready', text: { title: 'Ready', detail: `${name}, ${precision(stored)}` } };
  }
  if (state?.status === 'loading') {
    const detail = state.loading ? STEPS[state.loading.step] : 'about to load the model';
    return { tone: 'busy', text: { title: 'Waking up', detail, ...(state.loading && { seconds: state.loading.seconds }) } };
  }
  if (state?.status === 'unavailable') {
    return { tone: 'none', text: { title: 'No model', detail: `${state.reason ?? 'none can be loaded'}; looking again` } };
  }
  if (waitedMs < AWAKE_MS) return { tone: 'busy', text: { title: 'Connecting' } };
  return { tone: 'busy', text: { title: 'Waking up', detail: 'starting the server', seconds: waitedMs / 1000 } };
}
