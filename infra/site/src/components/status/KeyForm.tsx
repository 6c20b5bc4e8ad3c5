import { useId, useState } from 'preact/hooks';
import type { Client } from '../../api/client.ts';
import { keepKey, readKey } from '../../api/key.ts';

/** Form for the API key of `client`; calls `onKept` once it is stored. */
export function KeyForm({ client, onKept }: { client: Client | null; onKept: () => void }) {
  const id = useId();
  const [key, setKey] = useState('');
  // A link can name another API, so the form shows which one gets the key.
  const host = client?.base ? new URL(client.base, document.baseURI).host : '';
  const refused = client !== null && readKey(client.base) !== null;
  return (
    <form
      class="key-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (client) keepKey(client.base, key.trim());
        onKept();
      }}
    >
      <label for={id}>
        {refused && <strong role="alert">This key is not the right one. </strong>}
        This API{host && ` (${host})`} asks for a key. It is stored in this tab only.
      </label>
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
