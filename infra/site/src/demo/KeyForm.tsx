import { useState } from 'preact/hooks';

/** Asks for the key that the API wants. */
export function KeyForm({ onKey }: { onKey: (key: string) => void }) {
  const [key, setKey] = useState('');
  return (
    <form
      class="key-form"
      onSubmit={(event) => {
        event.preventDefault();
        onKey(key.trim());
      }}
    >
      <label for="api-key">This API asks for a key. It stays in this tab.</label>
      <input
        id="api-key"
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
