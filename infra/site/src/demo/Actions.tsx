import { Icon } from '../components/Icon.tsx';
import { type Run, isActive } from './run.ts';

interface Props {
  readonly run: Run | null;
  readonly onAgain: () => void;
  /** Puts a link to the text into the address of the page. */
  readonly onShare: (run: Run) => void;
  readonly onClear: () => void;
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

/** Buttons for a text: copy, share, generate again with the same seed, clear. */
export function Actions({ run, onAgain, onShare, onClear, copied, onCopied }: Props) {
  // Pages that are not served securely have no clipboard.
  const copy = (what: 'text' | 'link', content: string) =>
    Promise.resolve(navigator.clipboard?.writeText(content) ?? Promise.reject()).then(
      () => onCopied(what),
      () => onCopied('nothing'),
    );
  const ended = run !== null && !isActive(run);
  return (
    <div class="actions">
      <button type="button" class="button button-quiet" disabled={!run} onClick={() => run && copy('text', run.prompt + run.text)}>
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
      <button
        type="button"
        class="button button-quiet"
        disabled={!ended}
        title="The same prompt, settings and seed: the same text"
        onClick={onAgain}
      >
        <Icon name="again" /> Same seed
      </button>
      <button type="button" class="button button-quiet" disabled={!run} onClick={onClear}>
        <Icon name="clear" /> Clear
      </button>
    </div>
  );
}
