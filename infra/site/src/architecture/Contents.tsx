import { useEffect, useRef, useState } from 'preact/hooks';
import { count, large } from '../components/format.ts';
import type { View } from './view.ts';

/** The sections of the page, each with a figure of its output. */
function sections(view: View | null) {
  const info = view?.inspection.model_info;
  const tokens = view?.inspection.tokens.length ?? 0;
  const known = (figure: string) => (info ? figure : '');
  return [
    { id: 'tokens', name: 'Tokens', figure: known(count(tokens)) },
    { id: 'vectors', name: 'Vectors', figure: info ? `${count(tokens)} × ${count(info.embedding_dim)}` : '' },
    { id: 'blocks', name: 'Blocks', figure: info ? count(info.layers) : '' },
    { id: 'attention', name: 'Attention', figure: info ? `${count(info.layers)} × ${count(info.heads)}` : '' },
    { id: 'next', name: 'Next token', figure: info ? `1 of ${count(info.vocab_size)}` : '' },
    { id: 'numbers', name: 'Numbers', figure: view ? large(view.details.model_info.parameters) : '' },
    { id: 'training', name: 'Training', figure: view?.details.manifest.training ? `${count(view.details.manifest.training.steps)} steps` : '' },
    { id: 'production', name: 'Serving', figure: view ? view.details.model.precision : '' },
  ];
}

/** Table of contents, with the current section marked. */
export function Contents({ view }: { view: View | null }) {
  const current = useCurrent(view !== null);
  const row = useRef<HTMLElement>(null);
  useEffect(() => {
    const link = row.current?.querySelector('[aria-current]');
    if (!row.current || !link) return;
    const [outer, inner] = [row.current.getBoundingClientRect(), link.getBoundingClientRect()];
    row.current.scrollLeft += (inner.left + inner.right - outer.left - outer.right) / 2;
  }, [current]);
  return (
    <nav ref={row} class="contents" aria-label="Sections">
      <ol>
        {sections(view).map(({ id, name, figure }) => (
          <li key={id}>
            <a href={`#${id}`} aria-current={id === current ? 'location' : undefined}>
              <span>{name}</span>
              <span class="contents-figure number">{figure || '\u00A0'}</span>
            </a>
          </li>
        ))}
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
    for (const section of document.querySelectorAll('.section')) observer.observe(section);
    return () => observer.disconnect();
  }, [isShown]);
  return current;
}
