import { useRef, useState } from 'preact/hooks';
import { KeyForm } from '../../components/status/KeyForm.tsx';
import type { Api } from '../../components/status/use-api.ts';
import { About } from '../About.tsx';
import { Announcer } from '../Announcer.tsx';
import { PromptForm } from '../PromptForm.tsx';
import { useEscape } from '../use-escape.ts';
import { Turns } from './Turns.tsx';
import './conversation.css';
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
  const send = (text: string) => {
    if (say(text)) setMessage('');
  };
  useEscape(active, stop);

  return (
    <>
      {error?.code === 'unauthorized' && <KeyForm client={client} onKept={refresh} />}
      <div class="demo demo-conversation">
        <div class="demo-main">
          <Turns
            exchanges={exchanges}
            error={api.error || error?.code === 'unauthorized' || error?.field === 'messages' ? null : error}
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
            fresh={false}
            onPrompt={setMessage}
            active={active}
            onSend={() => send(message)}
            onStop={stop}
            examples={exchanges.length === 0 ? (state?.manifest?.example_prompts ?? []) : []}
            onExample={send}
            box={box}
            fault={error?.field === 'messages' ? error.message : null}
          />
        </div>
        <About state={state} />
      </div>
      <Announcer id={last?.id} text={last?.answer ?? ''} ending={last ? ending(last) : null} />
    </>
  );
}
