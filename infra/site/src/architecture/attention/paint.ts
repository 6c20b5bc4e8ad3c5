import { useEffect, useState } from 'preact/hooks';
import { onThemeChange } from '../../components/frame/theme.ts';
import type { HeadWeights } from './patterns.ts';

/**
 * Paints attention maps, rows of maps below each other, one pixel for each weight; the stylesheet scales them.
 * The colour is that of the canvas' text. Opacity is relative to the row's largest weight: rows of later tokens
 * spread their weight over more tokens, and would fade beside the first ones.
 */
export function paint(canvas: HTMLCanvasElement, maps: readonly (readonly HeadWeights[])[]): void {
  const tokens = maps[0]?.[0]?.length ?? 0;
  const width = tokens * (maps[0]?.length ?? 0);
  const height = tokens * maps.length;
  const context = canvas.getContext('2d');
  if (!context || !width || !height) return;
  canvas.width = width;
  canvas.height = height;
  const image = context.createImageData(width, height);
  const [red = 0, green = 0, blue = 0] = colorOf(canvas);
  maps.forEach((row, mapRow) =>
    row.forEach((weights, mapColumn) =>
      weights.forEach((seen, token) => {
        const largest = Math.max(...seen) || 1;
        seen.forEach((weight, column) => {
          const at = 4 * ((mapRow * tokens + token) * width + mapColumn * tokens + column);
          image.data[at] = red;
          image.data[at + 1] = green;
          image.data[at + 2] = blue;
          image.data[at + 3] = Math.round((255 * weight) / largest);
        });
      }),
    ),
  );
  context.putImageData(image, 0, 0);
}

/** Red, green and blue of an element's text, which the browser computes as `rgb(…)` whatever the stylesheet says. */
function colorOf(element: Element): number[] {
  return (getComputedStyle(element).color.match(/[\d.]+/g) ?? []).map(Number);
}

/** A number that changes with the theme, so that effects which depend on it paint again. */
export function useThemeChanges(): number {
  const [changes, setChanges] = useState(0);
  useEffect(() => onThemeChange(() => setChanges((before) => before + 1)), []);
  return changes;
}
