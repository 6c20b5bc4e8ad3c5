import { useEffect, useRef, useState } from 'preact/hooks';
import { facts } from './Facts.tsx';
import { type Run, isActive } from './run.ts';

/** Interval of announcements: a few words at a time instead of single tokens. */
const EVERY_MS = 3000;

/** Live region for screen readers: the text in pieces while it is generated, and how it ended. */
export function Announcer({ run }: { run: Run | null }) {
  const [news, setNews] = useState('');
  const latest = useRef(run);
  latest.current = run;
  const said = useRef(0);
  const id = run?.id;
  const active = isActive(run);

  useEffect(() => {
    said.current = 0;
    setNews('');
  }, [id]);

  useEffect(() => {
    if (!active) return;
    /** Announces the new text, up to the last complete word. */
    const timer = setInterval(() => {
      const text = latest.current?.text ?? '';
      const end = text.search(/\S*$/);
      if (end <= said.current) return;
      setNews(text.slice(said.current, end));
      said.current = end;
    }, EVERY_MS);
    return () => {
      clearInterval(timer);
      const last = latest.current;
      if (!last || last.id !== id || isActive(last)) return;
      setNews(`${last.text.slice(said.current)} — ${facts(last).slice(0, 2).join(', ')}.`);
      said.current = last.text.length;
    };
  }, [id, active]);

  return (
    <div class="visually-hidden" aria-live="polite" data-testid="announcer">
      {news}
    </div>
  );
}
