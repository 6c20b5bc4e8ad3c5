import { useEffect, useRef, useState } from 'preact/hooks';
import type { LossPlot, PlotOptions, Series } from './loss-plot.ts';

/** Plots `series` into the element of `box` once it is scrolled into view: only then is the plotting library loaded. */
export function useLossPlot(series: readonly Series[], options: PlotOptions = {}) {
  const box = useRef<HTMLDivElement>(null);
  const [isVisible, setVisible] = useState(false);
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    if (!box.current) return;
    const observer = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) setVisible(true);
    });
    observer.observe(box.current);
    return () => observer.disconnect();
  }, []);
  // Each answer of the API brings the same curve as a new object; only its contents count.
  const key = JSON.stringify([series, options]);
  useEffect(() => {
    const element = box.current;
    if (!element || !isVisible || series.length === 0) return;
    let plot: LossPlot | undefined;
    let left = false;
    import('./loss-plot.ts').then(
      ({ plotLosses }) => {
        if (!left) plot = plotLosses(element, series, options);
      },
      () => setFailed(true),
    );
    return () => {
      left = true;
      plot?.destroy();
    };
  }, [key, isVisible]);
  return { box, failed };
}
