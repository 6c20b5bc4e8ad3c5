import { useRef, useState } from 'preact/hooks';
import { loadedModel } from '../../api/loaded-model.ts';
import { KeyForm } from '../../components/status/KeyForm.tsx';
import type { Api } from '../../components/status/use-api.ts';
import { About } from '../About.tsx';
import { Announcer } from '../Announcer.tsx';
import { PromptForm } from '../PromptForm.tsx';
import { useEscape } from '../use-escape.ts';
import { Turns } from './Turns.tsx';
import './conversation.css';
import { disclosure } from './disclosure.ts';
import { ending, isActive } from './exchange.ts';
import type { Conversing } from './use-conversation.ts';

/** A conversation with a model that has a chat template. */
export function Conversation({ api, conversing }: { api: Api; conversing: Conversing }) {
  const { client, state, refresh } = api;
  const [message, setMessage] = useState('');
  const box = useRef<HTMLTextAreaElement>(null);
  const { exchanges, error, dropped, say, stop, restart } = conversing;
  const last = exchanges.at(-1);
  const active = isActive(last);
  useEscape(active, stop);

  const loaded = loadedModel(state);
  const unauthorized = api.error?.code === 'unauthorized' || error?.code === 'unauthorized';
  return (
    <>
      {unauthorized && <KeyForm client={client} onKept={refresh} />}
      <div class="demo demo-conversation">
        <div class="demo-main">
          <p class="disclosure soft">{loaded && disclosure(loaded)}</p>
          <Turns
            exchanges={exchanges}
            error={error}
            dropped={dropped}
            onAgain={() => last && say(last.question)}
            onRestart={() => {
              restart();
              box.current?.focus();
            }}
          />
          <PromptForm
            label="Your message"
            prompt={message}
            onPrompt={setMessage}
            active={active}
            onSend={() => {
              if (say(message)) setMessage('');
            }}
            onStop={stop}
            examples={exchanges.length === 0 ? (state?.manifest?.example_prompts ?? []) : []}
            box={box}
            fault={error?.field === 'messages'}
          />
        </div>
        <About state={state} />
      </div>
      <Announcer id={last?.id} text={last?.answer ?? ''} ending={last ? ending(last) : null} />
    </>
  );
}
