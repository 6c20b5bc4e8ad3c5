import { useEffect, useRef } from 'preact/hooks';
import type { HeadWeights } from './patterns.ts';
import { paint, useThemeChanges } from './paint.ts';

/** Maps of attention in rows, as a picture that says nothing to who does not see it. */
export function MapCanvas({ maps }: { maps: readonly (readonly HeadWeights[])[] }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = useThemeChanges();
  useEffect(() => {
    if (canvas.current) paint(canvas.current, maps);
  }, [maps, theme]);
  return <canvas ref={canvas} class="map-canvas" aria-hidden="true" />;
}
