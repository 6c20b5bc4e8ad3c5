/** Loss curves drawn by uPlot; loaded on demand, since it would be most of a page's weight. */
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { onThemeChange } from '../frame/theme.ts';

/** A line of the plot. */
export interface Series {
  readonly label: string;
  /** Tokens seen and loss. */
  readonly points: readonly (readonly [number, number])[];
  readonly dashed: boolean;
  /** Index of the theme's colour; by default its own index among the series. */
  readonly color?: number;
}

/** How a plot is drawn. */
export interface PlotOptions {
  /** Tokens on a logarithmic scale, which cannot show 0. */
  readonly logarithmic?: boolean;
}

/** A plot that can be removed. */
export interface LossPlot {
  destroy(): void;
}

/** Draws `series` into `element`, and follows its size and the theme. */
export function plotLosses(element: HTMLElement, series: readonly Series[], { logarithmic = false }: PlotOptions = {}): LossPlot {
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
      scales: { x: { time: false, ...(logarithmic && { distr: 3, range: (_, least, most) => [least, most] }) } },
      axes: [
        {
          ...axis,
          size: 28,
          values: (_, ticks) => ticks.map((tick) => compact.format(tick)),
          ...(logarithmic && { splits: (_u, _axis, least, most) => logarithmicTicks(least, most), filter: (_, ticks) => ticks }),
        },
        { ...axis, size: 40 },
      ],
      series: [
        {},
        ...series.map(({ label, dashed, color: place }, index): uPlot.Series => ({
          label,
          stroke: () => color(`--series-${(place ?? index) % 6}`),
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

const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 });

/** Round numbers between two, about as many in each decade. */
function logarithmicTicks(least: number, most: number): number[] {
  const steps = most / least > 1000 ? [1] : [1, 2, 5];
  const decades = Array.from({ length: Math.ceil(Math.log10(most / least)) + 2 }, (_, index) => 10 ** (Math.floor(Math.log10(least)) + index));
  return decades.flatMap((decade) => steps.map((step) => step * decade)).filter((tick) => tick >= least && tick <= most);
}
