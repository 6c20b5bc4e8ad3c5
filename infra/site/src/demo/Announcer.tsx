import { useEffect, useRef, useState } from 'preact/hooks';

/** Interval of announcements: a few words at a time instead of single tokens. */
const EVERY_MS = 3000;

interface Props {
  /** Names the text; another one is announced from its beginning. */
  readonly id: number | undefined;
  /** The text so far. */
  readonly text: string;
  /** How it has ended; null while it is being written, and without one. */
  readonly ending: string | null;
}

/** Live region for screen readers: a text in pieces while it is generated, and how it ended. */
export function Announcer(props: Props) {
  const [news, setNews] = useState('');
  const latest = useRef(props);
  latest.current = props;
  const said = useRef(0);
  const { id } = props;
  const active = id !== undefined && props.ending === null;

  useEffect(() => {
    said.current = 0;
    setNews('');
  }, [id]);

  useEffect(() => {
    if (!active) return;
    /** Announces the new text, up to the last complete word. */
    const timer = setInterval(() => {
      const { text } = latest.current;
      const end = text.search(/\S*$/);
      if (end <= said.current) return;
      setNews(text.slice(said.current, end));
      said.current = end;
    }, EVERY_MS);
    return () => {
      clearInterval(timer);
      const { id: shown, text, ending } = latest.current;
      if (shown !== id || ending === null) return;
      setNews(`${text.slice(said.current)} — ${ending}.`);
      said.current = text.length;
    };
  }, [id, active]);

  return (
    <div class="visually-hidden" aria-live="polite" data-testid="announcer">
      {news}
    </div>
  );
}
