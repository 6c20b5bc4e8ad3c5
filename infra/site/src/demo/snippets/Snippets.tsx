import { useEffect, useState } from 'preact/hooks';
import type { Client } from '../../api/client.ts';
import { readKey } from '../../api/key.ts';
import { Choice } from '../../components/Choice.tsx';
import { type Options, request } from '../options.ts';
import './snippets.css';
import { LANGUAGES, snippet } from './snippets.ts';

interface Props {
  readonly client: Client | null;
  /** Name of the served model; null until it is known. */
  readonly model: string | null;
  readonly prompt: string;
  readonly options: Options;
}

/** The prompt and the settings of the page as a call of the API, in several languages. */
export function Snippets({ client, model, prompt, options }: Props) {
  return (
    <details class="card snippets">
      <summary>Use it from curl, Python or JavaScript</summary>
      {client && model !== null ? (
        <Calls client={client} model={model} prompt={prompt} options={options} />
      ) : (
        <p class="soft">The calls are known as soon as there is a model.</p>
      )}
    </details>
  );
}

function Calls({ client, model, prompt, options }: Props & { client: Client; model: string }) {
  const [chosen, setChosen] = useState(0);
  const [copied, setCopied] = useState('');
  const address = new URL(client.base || '.', document.baseURI).href.replace(/\/+$/, '');
  const language = LANGUAGES[chosen] ?? 'curl';
  const code = snippet(language, {
    address,
    model,
    prompt,
    sampling: request(options),
    keyed: readKey(client.base) !== null,
  });
  useEffect(() => setCopied(''), [code]);
  const copy = () =>
    // Pages that are not served securely have no clipboard.
    Promise.resolve(navigator.clipboard?.writeText(code) ?? Promise.reject()).then(
      () => setCopied('Copied.'),
      () => setCopied('The browser does not let this page copy.'),
    );
  return (
    <>
      <div class="snippet-row">
        <Choice
          label="Language"
          count={LANGUAGES.length}
          chosen={chosen}
          onChoose={setChosen}
          describe={(index) => LANGUAGES[index] ?? ''}
          class="views"
          itemClass={() => 'chip'}
        >
          {(index) => LANGUAGES[index]}
        </Choice>
        <button type="button" class="button button-quiet" onClick={copy}>
          Copy this
        </button>
        <span class="soft" role="status">
          {copied}
        </span>
      </div>
      {/* It scrolls, so it must be reachable by keys. */}
      <pre tabIndex={0} role="group" aria-label={`The call in ${language}`}>
        <code>{code}</code>
      </pre>
      <p class="soft">
        The prompt and the settings are those of this page. <a href={`${address}/docs`}>All of the API</a> can be read
        and tried.
      </p>
    </>
  );
}
