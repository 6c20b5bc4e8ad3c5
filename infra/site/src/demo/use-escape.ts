import { useEffect } from 'preact/hooks';

/** Calls `stop` when the Escape key is pressed while something is `active`. */
export function useEscape(active: boolean, stop: () => void): void {
  useEffect(() => {
    if (!active) return;
    const onKey = (event: KeyboardEvent) => {
      if (event.key === 'Escape') stop();
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, [active, stop]);
}
