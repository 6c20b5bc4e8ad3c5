/** Loss curves by uPlot; a chunk of its own, since it is most of what a page would load. */
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { onThemeChange } from './theme.ts';

/** A line of the plot. */
export interface Series {
  readonly label: string;
  /** Tokens seen and loss. */
  readonly points: readonly (readonly [number, number])[];
  readonly dashed: boolean;
}

/** A plot that can be taken away. */
export interface LossPlot {
  destroy(): void;
}

/** Draws `series` into `element`, in its size and in the colours of the theme, and keeps up with both. */
export function plotLosses(element: HTMLElement, series: readonly Series[]): LossPlot {
  // Colours are read as it draws: they are the stylesheet's.
  const color = (name: string) => getComputedStyle(element).getPropertyValue(name).trim();
  const size = () => ({ width: element.clientWidth, height: element.clientHeight });
  const axis: uPlot.Axis = {
    stroke: () => color('--ink-soft'),
    grid: { stroke: () => color('--line'), width: 1 },
    ticks: { stroke: () => color('--line'), width: 1, size: 4 },
    font: '12px system-ui, sans-serif',
  };
  const tables = series.map(({ points }): uPlot.AlignedData => [points.map(([x]) => x), points.map(([, y]) => y)]);
  const data = tables.length === 1 && tables[0] ? tables[0] : uPlot.join(tables);
  const plot = new uPlot(
    {
      ...size(),
      legend: { show: false },
      cursor: { show: false },
      scales: { x: { time: false } },
      axes: [
        { ...axis, size: 28, values: (_, ticks) => ticks.map((tick) => compact.format(tick)) },
        { ...axis, size: 40 },
      ],
      series: [
        {},
        ...series.map(({ label, dashed }, index): uPlot.Series => ({
          label,
          stroke: () => color(`--series-${index % 6}`),
          width: 2,
          spanGaps: true,
          points: { show: false },
          ...(dashed && { dash: [5, 4] }),
        })),
      ],
    },
    data,
    element,
  );
  const resized = new ResizeObserver(() => plot.setSize(size()));
  resized.observe(element);
  const unsubscribe = onThemeChange(() => plot.redraw(false, true));
  return {
    destroy() {
      resized.disconnect();
      unsubscribe();
      plot.destroy();
    },
  };
}

const compact = new Intl.NumberFormat('en', { notation: 'compact' });
