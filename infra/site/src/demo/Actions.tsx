import { keepApi } from '../api/config.ts';
import { MAX_PROMPT_CHARS } from '../api/limits.ts';
import { Icon } from '../components/Icon.tsx';
import { type Run, isActive } from './run.ts';

interface Props {
  readonly run: Run | null;
  readonly onContinue: (run: Run) => void;
  readonly onAnother: (run: Run) => void;
  readonly onRepeat: (run: Run) => void;
  /** Puts a link to the text into the address of the page. */
  readonly onShare: (run: Run) => void;
  readonly onClear: () => void;
  readonly onUndo: (() => void) | null;
  readonly copied: Copied | null;
  readonly onCopied: (copied: Copied) => void;
}

/** The last thing copied, remembered for a few seconds. */
export type Copied = keyof typeof NEWS;

/** Messages about it. */
export const NEWS = {
  text: 'The text is copied.',
  link: 'The link is copied. It also stands in the address of this page.',
  nothing: 'The browser does not let this page copy. The link stands in the address of this page.',
};

/** What can be done with a text: go on, write another, repeat it, copy, share, look inside, clear. */
export function Actions({ run, onContinue, onAnother, onRepeat, onShare, onClear, onUndo, copied, onCopied }: Props) {
  // Pages that are not served securely have no clipboard.
  const copy = (what: 'text' | 'link', content: string) =>
    Promise.resolve(navigator.clipboard?.writeText(content) ?? Promise.reject()).then(
      () => onCopied(what),
      () => onCopied('nothing'),
    );
  const ended = run !== null && !isActive(run);
  const whole = run ? run.prompt + run.text : '';
  return (
    <div class="actions">
      <button
        type="button"
        class="button button-quiet"
        disabled={!ended || whole.length > MAX_PROMPT_CHARS}
        title="Goes on from the end of this text"
        onClick={() => run && onContinue(run)}
      >
        <Icon name="send" /> Continue
      </button>
      <button
        type="button"
        class="button button-quiet"
        disabled={!ended}
        title="The same prompt, another seed: another text"
        onClick={() => run && onAnother(run)}
      >
        <Icon name="other" /> Another
      </button>
      <button
        type="button"
        class="button button-quiet"
        disabled={!ended}
        title="The same prompt, settings and seed: the same text"
        onClick={() => run && onRepeat(run)}
      >
        <Icon name="again" /> Repeat
      </button>
      <button type="button" class="button button-quiet" disabled={!run} onClick={() => copy('text', whole)}>
        <Icon name={copied === 'text' ? 'check' : 'copy'} /> Copy
      </button>
      <button
        type="button"
        class="button button-quiet"
        disabled={!run}
        onClick={() => {
          if (!run) return;
          onShare(run);
          void copy('link', location.href);
        }}
      >
        <Icon name={copied === 'link' ? 'check' : 'link'} /> Share
      </button>
      {onUndo ? (
        <button type="button" class="button button-quiet" onClick={onUndo}>
          <Icon name="undo" /> Undo
        </button>
      ) : (
        <button type="button" class="button button-quiet" disabled={!run} onClick={onClear}>
          <Icon name="clear" /> Clear
        </button>
      )}
      {run && (
        <a class="look-inside" href={`architecture.html${keepApi()}#${new URLSearchParams({ text: whole })}`}>
          Look inside this text
        </a>
      )}
    </div>
  );
}
