import type { ComponentChildren } from 'preact';

/** Content of a section of the page. */
export interface SectionProps {
  /** Its name in the page's address. */
  readonly id: string;
  readonly title: string;
  /** The shape of what leaves it, such as `8 × 768`. */
  readonly shape?: string;
  /** Whether the numbers need the whole width, with the words above them. */
  readonly wide?: boolean;
  /** The explanation. */
  readonly words: ComponentChildren;
  /** More numbers, below the words where there is room, else below the others. */
  readonly aside?: ComponentChildren;
  /** The reader's own numbers. */
  readonly children: ComponentChildren;
}

/** A section of the page: words beside the numbers that they explain. */
export function Section({ id, title, shape, wide, words, aside, children }: SectionProps) {
  return (
    <section id={id} class={wide ? 'section section-wide' : 'section'} aria-labelledby={`${id}-title`}>
      <header class="section-head">
        <h2 id={`${id}-title`}>{title}</h2>
        {shape && <span class="shape number">{shape}</span>}
      </header>
      <div class="section-words">{words}</div>
      <div class="section-live">{children}</div>
      {aside && <div class="section-aside">{aside}</div>}
    </section>
  );
}
