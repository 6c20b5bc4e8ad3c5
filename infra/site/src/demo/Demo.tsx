import { useState } from 'preact/hooks';
import { loadedModel } from '../api/loaded-model.ts';
import { Choice } from '../components/Choice.tsx';
import { KeyForm } from '../components/status/KeyForm.tsx';
import { isAway, useSample } from '../components/sample/use-sample.ts';
import { Status } from '../components/status/Status.tsx';
import { useApi } from '../components/status/use-api.ts';
import { Continuation } from './Continuation.tsx';
import { Conversation } from './conversation/Conversation.tsx';
import { useConversation } from './conversation/use-conversation.ts';
import './demo.css';
import { disclosure } from './disclosure.ts';
import { loadSample } from './sample/sample.ts';
import './side.css';
import { useFragment } from './use-fragment.ts';

/** What a model can be asked for: an answer, if it has a chat template, and more of a text. */
const VIEWS = [
  { name: 'Conversation', title: 'Talk with a small model' },
  { name: 'Text', title: 'Continue a text' },
] as const;
const [CONVERSATION, TEXT] = [0, 1];

/** The demo page: texts that the served model continues, and a conversation with one that answers. */
export function Demo() {
  const api = useApi();
  // It goes on while the other view is shown.
  const conversing = useConversation(api);
  const shared = useFragment(() => setChosen(TEXT));
  /** Null until the reader chooses, or begins to write: what a model can do is known only when it is loaded. */
  const [chosen, setChosen] = useState<number | null>(shared ? TEXT : null);
  const answers = Boolean(api.state?.chat_template);
  const view = answers ? (chosen ?? CONVERSATION) : TEXT;
  const sample = useSample(loadSample, api.state?.status !== 'ready', api.error !== null || isAway(api.state));
  const loaded = loadedModel(api.state) ?? loadedModel(sample?.model);
  if (api.error?.code === 'unauthorized') {
    return (
      <div class="demo-head">
        <h1>{VIEWS[view]?.title}</h1>
        <KeyForm client={api.client} onKept={api.refresh} />
      </div>
    );
  }
  return (
    <>
      <div class="demo-head">
        <h1>{VIEWS[view]?.title}</h1>
        <p class="disclosure soft">{loaded && disclosure(loaded, view === CONVERSATION)}</p>
        <Status watch={api} />
        {answers && (
          <Choice
            label="What the model does"
            count={VIEWS.length}
            chosen={view}
            onChoose={setChosen}
            describe={(index) => VIEWS[index]?.name ?? ''}
            class="views"
            itemClass={() => 'chip'}
          >
            {(index) => VIEWS[index]?.name}
          </Choice>
        )}
      </div>
      {view === TEXT ? <Continuation api={api} sample={sample} onPrompt={() => setChosen(TEXT)} /> : <Conversation api={api} conversing={conversing} />}
    </>
  );
}
