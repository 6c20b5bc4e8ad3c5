import type { ComponentChildren } from 'preact';

/** A station of the way that a text takes. */
export interface StageProps {
  /** Its name in the page's address. */
  readonly id: string;
  readonly title: string;
  /** The shape of what leaves it, such as `8 × 768`. */
  readonly shape?: string;
  /** Whether the numbers need the whole width, with the words above them. */
  readonly wide?: boolean;
  /** What happens here, in words. */
  readonly words: ComponentChildren;
  /** More numbers, below the words where there is room, else below the others. */
  readonly aside?: ComponentChildren;
  /** What happens here, in the reader's own numbers. */
  readonly children: ComponentChildren;
}

/** A station: words beside what they explain. */
export function Stage({ id, title, shape, wide, words, aside, children }: StageProps) {
  return (
    <section id={id} class={wide ? 'stage stage-wide' : 'stage'} aria-labelledby={`${id}-title`}>
      <header class="stage-head">
        <h2 id={`${id}-title`}>{title}</h2>
        {shape && <span class="shape number">{shape}</span>}
      </header>
      <div class="stage-words">{words}</div>
      <div class="stage-live">{children}</div>
      {aside && <div class="stage-aside">{aside}</div>}
    </section>
  );
}
