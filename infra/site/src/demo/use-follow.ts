import type { RefObject } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';

/** A box that scrolls to the end of what grows in it, unless the reader has scrolled away from it. */
interface Follow {
  readonly box: RefObject<HTMLDivElement | null>;
  readonly onScroll: () => void;
}

/** Follows `content` as it changes; another `id` is something new, which is followed from its start. */
export function useFollow(id: unknown, content: readonly unknown[]): Follow {
  const box = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  useLayoutEffect(() => {
    const element = box.current;
    if (element && follows.current) element.scrollTop = element.scrollHeight;
  }, content);
  useLayoutEffect(() => {
    follows.current = true;
  }, [id]);
  const onScroll = () => {
    const element = box.current;
    if (element) follows.current = element.scrollHeight - element.scrollTop - element.clientHeight < 24;
  };
  return { box, onScroll };
}
