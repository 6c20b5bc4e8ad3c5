import { useEffect, useRef } from 'preact/hooks';
import type { Station } from './stations.ts';

/** Guided tour along the stations, a step for each: a panel at the foot of the window, with buttons and arrow keys. */
export function Tour({ way, step, go }: { way: readonly Station[]; step: number; go: (step: number | null) => void }) {
  const panel = useRef<HTMLElement>(null);
  const station = way[step];
  useEffect(() => panel.current?.focus({ preventScroll: true }), []);
  useEffect(() => {
    const behavior = matchMedia('(prefers-reduced-motion: reduce)').matches ? 'instant' : 'smooth';
    document.getElementById(station?.id ?? '')?.scrollIntoView({ behavior, block: 'start' });
  }, [station?.id]);
  if (!station) return null;
  const last = way.length - 1;
  const onKeyDown = ({ key }: KeyboardEvent) => {
    if (key === 'ArrowRight' && step < last) go(step + 1);
    if (key === 'ArrowLeft' && step > 0) go(step - 1);
    if (key === 'Escape') go(null);
  };
  return (
    <section ref={panel} class="tour card" aria-label="Tour" tabIndex={-1} onKeyDown={onKeyDown}>
      <p role="status">
        <strong>
          {step + 1} of {way.length}: {station.name}.
        </strong>{' '}
        {station.words}
      </p>
      <div class="tour-buttons">
        {/* Not `disabled`, which would take the keyboard focus away. */}
        <button type="button" class="button" aria-disabled={step === 0} onClick={() => step > 0 && go(step - 1)}>
          Back
        </button>
        <button type="button" class="button button-primary" aria-disabled={step === last} onClick={() => step < last && go(step + 1)}>
          Next
        </button>
        <button type="button" class="button button-quiet" onClick={() => go(null)}>
          End the tour
        </button>
      </div>
    </section>
  );
}
