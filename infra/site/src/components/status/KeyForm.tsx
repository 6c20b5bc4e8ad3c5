import { useId, useState } from 'preact/hooks';
import type { Client } from '../../api/client.ts';
import { keepKey } from '../../api/key.ts';

/** Asks for the key that the API behind `client` wants; `onKept` once there is one to try. */
export function KeyForm({ client, onKept }: { client: Client | null; onKept: () => void }) {
  const id = useId();
  const [key, setKey] = useState('');
  // A link can name an API elsewhere: who gives a key has to see to whom.
  const host = client?.base ? new URL(client.base, document.baseURI).host : '';
  return (
    <form
      class="key-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (client) keepKey(client.base, key.trim());
        onKept();
      }}
    >
      <label for={id}>This API{host && ` (${host})`} asks for a key. It stays in this tab.</label>
      <input
        id={id}
        class="field"
        type="password"
        autocomplete="off"
        required
        value={key}
        onInput={(event) => setKey(event.currentTarget.value)}
      />
      <button type="submit" class="button">
        Use this key
      </button>
    </form>
  );
}
