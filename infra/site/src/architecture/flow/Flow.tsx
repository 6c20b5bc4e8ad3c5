import { useEffect, useRef, useState } from 'preact/hooks';
import { count, large } from '../../components/format.ts';
import type { View } from '../view.ts';
import type { Station } from './stations.ts';

/** The sections about the model, after those about the text. */
function more(view: View | null) {
  const details = view?.details;
  return [
    { id: 'numbers', name: 'Numbers', figure: details ? large(details.model_info.parameters) : '' },
    { id: 'training', name: 'Training', figure: details?.manifest.training ? `${count(details.manifest.training.steps)} steps` : '' },
    { id: 'production', name: 'Serving', figure: details ? details.model.precision : '' },
  ];
}

/** Flow picture: the way from the text to the next token, always in view, where the current section lights up. */
export function Flow({ view, way }: { view: View | null; way: readonly Station[] }) {
  const current = useCurrent(view !== null);
  const row = useRef<HTMLElement>(null);
  useEffect(() => {
    const link = row.current?.querySelector('[aria-current]');
    if (!row.current || !link) return;
    const [outer, inner] = [row.current.getBoundingClientRect(), link.getBoundingClientRect()];
    row.current.scrollLeft += (inner.left + inner.right - outer.left - outer.right) / 2;
  }, [current]);
  const entry = ({ id, name, figure, icon }: Pick<Station, 'id' | 'name' | 'figure'> & { icon?: string }) => (
    <li key={id} class={icon ? 'station' : undefined}>
      <a href={`#${id}`} aria-current={id === current ? 'location' : undefined}>
        {icon && (
          <svg class="station-icon" viewBox="0 0 24 24" aria-hidden="true">
            <path d={icon} />
          </svg>
        )}
        <span class="station-words">
          <span>{name}</span>
          <span class="contents-figure number">{figure || '\u00A0'}</span>
        </span>
      </a>
    </li>
  );
  return (
    <nav ref={row} class="contents" aria-label="Sections">
      <ol>
        {way.map(entry)}
        {more(view).map(entry)}
      </ol>
    </nav>
  );
}

/** Id of the section in the upper part of the window. */
function useCurrent(isShown: boolean): string | null {
  const [current, setCurrent] = useState<string | null>(null);
  useEffect(() => {
    if (!isShown) return;
    const observer = new IntersectionObserver(
      (entries) => {
        for (const { target, isIntersecting } of entries) {
          if (isIntersecting) setCurrent(target.id);
          else setCurrent((before) => (before === target.id ? null : before));
        }
      },
      { rootMargin: '-30% 0px -69% 0px' },
    );
    for (const section of document.querySelectorAll('.hero, .section')) observer.observe(section);
    return () => observer.disconnect();
  }, [isShown]);
  return current;
}
