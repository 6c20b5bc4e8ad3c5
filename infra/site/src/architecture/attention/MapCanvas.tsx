import { useEffect, useRef } from 'preact/hooks';
import type { HeadWeights } from './patterns.ts';
import { paint, useThemeChanges } from './paint.ts';

/** Attention maps as a picture, hidden from screen readers; texts beside it have the numbers. */
export function MapCanvas({ maps }: { maps: readonly (readonly HeadWeights[])[] }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = useThemeChanges();
  useEffect(() => {
    if (canvas.current) paint(canvas.current, maps);
  }, [maps, theme]);
  return <canvas ref={canvas} class="map-canvas" aria-hidden="true" />;
}
