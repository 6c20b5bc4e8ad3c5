import { useId, useState } from 'preact/hooks';
import type { Client } from '../../api/client.ts';
import type { ApiError } from '../../api/error.ts';
import { keepKey } from '../../api/key.ts';

/** Form for the API key that `error` is about; calls `onKept` once it is stored. The next error is about that key. */
export function KeyForm({ client, error, onKept }: { client: Client | null; error: ApiError; onKept: () => void }) {
  const id = useId();
  const [key, setKey] = useState('');
  const [before, setBefore] = useState<ApiError | null>(null);
  const refused = before !== null && before !== error;
  // A link can name another API, so the form shows which one gets the key.
  const host = client?.base ? new URL(client.base, document.baseURI).host : '';
  return (
    <form
      class="key-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (client) keepKey(client.base, key.trim());
        setBefore(error);
        onKept();
      }}
    >
      <label for={id}>This API{host && ` (${host})`} asks for a key. It is stored in this tab only.</label>
      <input
        id={id}
        class="field"
        type="password"
        autocomplete="off"
        required
        aria-invalid={refused}
        value={key}
        onInput={(event) => setKey(event.currentTarget.value)}
      />
      <button type="submit" class="button">
        Use this key
      </button>
      <p class="key-refused" role="alert">
        {refused && 'This key was not accepted.'}
      </p>
    </form>
  );
}
