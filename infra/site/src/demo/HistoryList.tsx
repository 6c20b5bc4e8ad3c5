import { Icon } from '../components/Icon.tsx';
import type { History } from './history.ts';
import { type Run, isActive } from './run.ts';

interface Props {
  readonly history: History;
  /** The text that is shown. */
  readonly current: Run | null;
  readonly onShow: (run: Run) => void;
}

/** List of earlier texts, to show again or to delete. */
export function HistoryList({ history, current, onShow }: Props) {
  // A text that is being generated has its line at once, so that the others do not move when it ends.
  const runs = current && isActive(current) ? [current, ...history.runs] : history.runs;
  return (
    <section class="card history" aria-labelledby="history-title">
      <div class="card-head">
        <h2 id="history-title">History</h2>
        <span>
          {history.undo && (
            <button type="button" class="button button-quiet" onClick={history.undo}>
              Undo
            </button>
          )}
          <button type="button" class="button button-quiet" disabled={history.runs.length === 0} onClick={history.clear}>
            Forget all
          </button>
        </span>
      </div>
      {runs.length === 0 && <p class="soft history-empty">Your texts are kept here, in this browser only.</p>}
      {runs.length > 0 && (
        <ul class="history-list">
          {runs.map((run) => (
            <li key={run.id} class="history-item" aria-current={run.id === current?.id ? 'true' : undefined}>
              <button type="button" class="history-show" disabled={isActive(run)} onClick={() => onShow(run)}>
                <span class="history-prompt">{run.prompt}</span>
                <span class="history-text soft">{isActive(run) ? 'is being written' : run.text}</span>
              </button>
              <button
                type="button"
                class="icon-button"
                aria-label={`Forget: ${run.prompt.slice(0, 40)}`}
                disabled={isActive(run)}
                onClick={() => history.remove(run.id)}
              >
                <Icon name="clear" />
              </button>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
