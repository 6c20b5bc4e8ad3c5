import type { ApiError } from '../../api/error.ts';

/** What went wrong, by which name the server's log knows it, and a way to try again. */
export function ErrorNote({ error, onRetry }: { error: ApiError; onRetry?: () => void }) {
  return (
    <div class="error-note">
      <p>
        {/* No more than this is announced: each try has another id, which is no news. */}
        <span role="alert">
          <strong>Error:</strong> {error.message}.
        </span>
        {error.requestId && (
          <span class="error-id">
            {' '}
            Request id <code>{error.requestId}</code>
          </span>
        )}
      </p>
      {onRetry && (
        <button type="button" class="button" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  );
}
