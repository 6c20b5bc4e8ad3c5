import { useRef } from 'preact/hooks';
import { quoted } from '../../components/text/pieces.ts';
import { percent } from '../../components/format.ts';
import { type Piece, levelOf } from './scores.ts';

interface Props {
  readonly label: string;
  readonly pieces: readonly Piece[];
  /** Where the model's own pieces begin, in characters. */
  readonly promptEnd: number;
  /** The piece that is looked at, an index; null for none. */
  readonly at: number | null;
  readonly onAt: (at: number) => void;
  /** Id of what is told about that piece. */
  readonly describedBy: string;
}

/** A text in pieces, each marked by how likely the model found it: one stop of the Tab key, arrow keys within. */
export function Pieces({ label, pieces, promptEnd, at, onAt, describedBy }: Props) {
  const list = useRef<HTMLDivElement>(null);
  const shown = withoutHoles(pieces);
  const move = (event: KeyboardEvent) => {
    const from = at ?? 0;
    const to: Record<string, number> = {
      ArrowRight: from + 1,
      ArrowLeft: from - 1,
      ArrowDown: from + 1,
      ArrowUp: from - 1,
      Home: 0,
      End: pieces.length - 1,
    };
    const next = to[event.key];
    if (next === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    list.current
      ?.querySelectorAll<HTMLElement>('[role=option]')
      [Math.max(0, Math.min(next, pieces.length - 1))]?.focus();
  };
  return (
    <div
      ref={list}
      class="sheet-text pieces"
      role="listbox"
      aria-label={label}
      aria-orientation="horizontal"
      onKeyDown={move}
    >
      {pieces.map(({ text, start, probability }, index) => (
        <span
          key={start}
          class={`piece ${probability === null ? '' : `piece-${levelOf(probability)}`} ${start < promptEnd ? 'piece-prompt' : ''}`}
          role="option"
          aria-selected={index === at}
          aria-label={`${quoted(text)}, ${probability === null ? 'the first' : percent(probability)}`}
          aria-describedby={index === at ? describedBy : undefined}
          tabIndex={index === (at ?? 0) ? 0 : -1}
          onFocus={() => onAt(index)}
          onPointerEnter={() => onAt(index)}
          onClick={() => onAt(index)}
        >
          {shown[index]}
        </span>
      ))}
    </div>
  );
}

/** The pieces as they are shown: line ends have a mark, and break the line twice in a row at most. */
function withoutHoles(pieces: readonly Piece[]): string[] {
  let ends = 0;
  return pieces.map(({ text }) =>
    [...text.replaceAll('\r', '')]
      .map((character) => {
        if (character !== '\n') {
          if (character.trim() !== '') ends = 0;
          return character;
        }
        ends += 1;
        return ends > 2 ? '↵' : '↵\n';
      })
      .join(''),
  );
}
