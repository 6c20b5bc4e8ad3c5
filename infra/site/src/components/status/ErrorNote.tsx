import type { ApiError } from '../../api/error.ts';

/** Error message with its request id, as the server logs it, and a button to try again. */
export function ErrorNote({ error, onRetry }: { error: ApiError; onRetry?: () => void }) {
  return (
    <div class="error-note">
      <p>
        {/* Only the message is announced; the request id changes with each try. */}
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
