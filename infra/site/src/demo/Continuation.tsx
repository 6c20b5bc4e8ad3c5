import { useRef, useState } from 'preact/hooks';
import { KeyForm } from '../components/status/KeyForm.tsx';
import { describe } from '../components/status/Status.tsx';
import type { Api } from '../components/status/use-api.ts';
import { About } from './About.tsx';
import { Announcer } from './Announcer.tsx';
import { Controls } from './Controls.tsx';
import { facts } from './Facts.tsx';
import { HistoryList } from './HistoryList.tsx';
import { Output } from './Output.tsx';
import { PromptForm } from './PromptForm.tsx';
import { useHistory } from './history.ts';
import { DEFAULTS, type Options } from './options.ts';
import { type Run, isActive } from './run.ts';
import { modelId, toFragment } from './share.ts';
import { useEscape } from './use-escape.ts';
import { useFragment } from './use-fragment.ts';
import { useGeneration } from './use-generation.ts';

/** The reader's prompt, continued by the served model; `onPrompt` is told of each change of the prompt. */
export function Continuation({ api, onPrompt }: { api: Api; onPrompt: () => void }) {
  const { client, state, refresh } = api;
  const shared = useFragment(({ prompt, options }) => {
    setPrompt(prompt);
    setOptions(options);
    show(null);
  });
  const [prompt, setPrompt] = useState(shared?.prompt ?? '');
  const [options, setOptions] = useState<Options>(shared?.options ?? DEFAULTS);
  const history = useHistory();
  const box = useRef<HTMLTextAreaElement>(null);

  const { run, error, start, stop, show } = useGeneration(client, (ended, failure) => {
    if (ended.text !== '') history.add(ended);
    const served = state?.model;
    const answered = ended.result?.model;
    // The facts shown about the model may be out of date.
    if (failure || (served && answered && modelId(served) !== modelId(answered))) refresh();
  });
  const active = isActive(run);

  useEscape(active, stop);

  const share = (shown: Run) => {
    const model = shown.result?.model ?? state?.model;
    const link = toFragment({ prompt: shown.prompt, options: shown.options, model: model ? modelId(model) : null });
    window.history.replaceState(null, '', link);
  };
  const showAgain = (earlier: Run) => {
    show(earlier);
    setPrompt(earlier.prompt);
    setOptions({ ...earlier.options, seed: options.seed });
  };
  const clear = () => {
    show(null);
    setPrompt('');
    box.current?.focus();
  };
  const served = state?.model ? modelId(state.model) : null;
  const otherModel = shared?.model && served && shared.model !== served ? shared.model : null;
  const hint = otherModel
    ? `This link comes from ${otherModel}. ${served} is served now, so it will generate another text.`
    : 'Write a prompt, or take one of the examples. The model continues it.';
  const unauthorized = api.error?.code === 'unauthorized' || error?.code === 'unauthorized';
  return (
    <>
      {unauthorized && <KeyForm client={client} onKept={refresh} />}
      <div class="demo">
        <div class="demo-main">
          <PromptForm
            label="Your prompt"
            prompt={prompt}
            onPrompt={(changed) => {
              setPrompt(changed);
              onPrompt();
            }}
            active={active}
            onSend={() => start(prompt, options)}
            onStop={stop}
            examples={state?.manifest?.example_prompts ?? []}
            box={box}
            fault={error?.field === 'prompt'}
          />
          <Output
            run={run}
            error={error}
            hint={hint}
            waitingFor={state?.status === 'ready' ? '' : describe(state, Number.POSITIVE_INFINITY).text.title.toLowerCase()}
            onAgain={() => run && start(run.prompt, run.options)}
            onShare={share}
            onClear={clear}
          />
        </div>
        <div class="demo-side">
          <Controls options={options} onOptions={setOptions} fault={error?.field} lastSeed={run?.options.seed ?? null} />
          <HistoryList history={history} current={run} onShow={showAgain} />
        </div>
        <About state={state} />
      </div>
      <Announcer id={run?.id} text={run?.text ?? ''} ending={run && !active ? facts(run).slice(0, 2).join(', ') : null} />
    </>
  );
}
