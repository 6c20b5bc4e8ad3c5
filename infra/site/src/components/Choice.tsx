import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { scrollWithin } from './scroll.ts';

interface ChoiceProps {
  /** Accessible name of the group. */
  readonly label: string;
  readonly count: number;
  /** How many stand in a row, where up and down are directions; 1 elsewhere. */
  readonly columns?: number;
  readonly chosen: number;
  /** The one to keep in view where the group scrolls; by default the chosen one. */
  readonly inView?: number;
  readonly onChoose: (index: number) => void;
  /** Called with what the pointer is on, and with null when it leaves. */
  readonly onPeek?: (index: number | null) => void;
  /** Accessible name of an item. */
  readonly describe: (index: number) => string;
  readonly children: (index: number) => ComponentChildren;
  readonly class?: string;
  readonly itemClass?: (index: number) => string;
  readonly itemStyle?: (index: number) => Record<string, string>;
}

/** Radio group of buttons: one stop of the Tab key, arrow keys within. */
export function Choice(props: ChoiceProps) {
  const { label, count, columns = 1, chosen, onChoose, onPeek, describe, children } = props;
  const group = useRef<HTMLDivElement>(null);
  const inView = props.inView ?? chosen;
  useEffect(() => {
    const item = group.current?.children[inView];
    if (group.current && item instanceof HTMLElement) scrollWithin(group.current, item);
  }, [inView, count]);
  const move = (event: KeyboardEvent) => {
    const next = target(event.key, chosen, count, columns);
    if (next === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    onChoose(next);
    group.current?.querySelectorAll<HTMLButtonElement>('[role=radio]')[next]?.focus();
  };
  return (
    <div
      ref={group}
      class={props.class}
      role="radiogroup"
      aria-label={label}
      onKeyDown={move}
      onPointerLeave={() => onPeek?.(null)}
    >
      {Array.from({ length: count }, (_, index) => (
        <button
          key={index}
          type="button"
          role="radio"
          aria-checked={index === chosen}
          aria-label={describe(index)}
          tabIndex={index === chosen ? 0 : -1}
          class={props.itemClass?.(index)}
          style={props.itemStyle?.(index)}
          onClick={() => onChoose(index)}
          onPointerEnter={() => onPeek?.(index)}
        >
          {children(index)}
        </button>
      ))}
    </div>
  );
}

function target(key: string, chosen: number, count: number, columns: number): number | undefined {
  const to: Record<string, number> = {
    ArrowRight: chosen + 1,
    ArrowLeft: chosen - 1,
    ArrowDown: chosen + columns,
    ArrowUp: chosen - columns,
    Home: 0,
    End: count - 1,
  };
  const next = to[key];
  return next === undefined || next < 0 || next >= count ? undefined : next;
}
