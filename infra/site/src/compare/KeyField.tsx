import { useId, useState } from 'preact/hooks';

/** Asks for the key of an API that wants one. */
export function KeyField({ onKey }: { onKey(key: string): void }) {
  const id = useId();
  const [key, setKey] = useState('');
  const onSubmit = (event: Event) => {
    event.preventDefault();
    onKey(key);
  };
  return (
    <form class="key-field" onSubmit={onSubmit}>
      <label for={id}>Key of this API, kept until the tab is closed</label>
      <input id={id} class="field" type="password" autocomplete="off" required value={key} onInput={(event) => setKey(event.currentTarget.value)} />
      <button type="submit" class="button">
        Use it
      </button>
    </form>
  );
}
