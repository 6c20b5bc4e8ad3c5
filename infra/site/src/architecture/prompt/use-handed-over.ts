import { useEffect, useState } from 'preact/hooks';
import type { Client } from '../../api/client.ts';
import { MAX_INSPECT_TOKENS } from '../../api/limits.ts';

/** The text in the fragment of the page's address, to which the demo links: `#text=…`. */
function fromFragment(): string | null {
  return new URLSearchParams(location.hash.slice(1)).get('text');
}

/**
 * The text that the page was opened with, if any: its last tokens, where it is longer than can be looked at. Null
 * until they are known.
 */
export function useHandedOver(client: Client | null): { readonly text: string | null; readonly awaited: boolean } {
  const [whole, setWhole] = useState(fromFragment);
  const [text, setText] = useState<string | null>(null);
  useEffect(() => {
    const changed = () => setWhole(fromFragment());
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  useEffect(() => {
    if (!client || !whole) return;
    const abort = new AbortController();
    client.lastTokens(whole, MAX_INSPECT_TOKENS, abort.signal).then(setText, () => {
      // The status line says why; a text that is too long is refused as any other.
      if (!abort.signal.aborted) setText(whole);
    });
    return () => abort.abort();
  }, [client, whole]);
  return { text, awaited: whole !== null && text === null };
}
