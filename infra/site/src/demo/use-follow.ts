import type { RefObject } from 'preact';
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';

/** A box that scrolls to the end of what grows in it, unless the reader has scrolled away from it. */
interface Follow {
  readonly box: RefObject<HTMLDivElement | null>;
  readonly onScroll: () => void;
  /** Where content is hidden behind an edge: of `above` and `below`, those that apply. */
  readonly cut: string;
}

/**
 * Follows `content` as it changes; another `id` is something new, which is followed from its start. What is `complete`
 * is shown from its beginning.
 */
export function useFollow(id: unknown, content: readonly unknown[], complete = false): Follow {
  const box = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  const [cut, setCut] = useState('');
  const measure = useCallback(() => {
    const element = box.current;
    if (!element) return;
    const below = element.scrollHeight - element.clientHeight - element.scrollTop;
    setCut([element.scrollTop > 1 && 'above', below > 1 && 'below'].filter(Boolean).join(' '));
  }, []);
  useLayoutEffect(() => {
    follows.current = true;
  }, [id]);
  useLayoutEffect(() => {
    const element = box.current;
    if (element && follows.current) element.scrollTop = complete ? 0 : element.scrollHeight;
    measure();
  }, [id, complete, ...content]);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const resized = new ResizeObserver(measure);
    resized.observe(element);
    return () => resized.disconnect();
  }, []);
  const onScroll = () => {
    const element = box.current;
    if (element && !complete) follows.current = element.scrollHeight - element.scrollTop - element.clientHeight < 24;
    measure();
  };
  return { box, onScroll, cut };
}
