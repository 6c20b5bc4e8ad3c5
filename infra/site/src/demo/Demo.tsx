import { useEffect, useRef, useState } from 'preact/hooks';
import { KeyForm } from '../components/status/KeyForm.tsx';
import { Status, describe } from '../components/status/Status.tsx';
import { useApi } from '../components/status/use-api.ts';
import { About } from './About.tsx';
import { Announcer } from './Announcer.tsx';
import { Controls } from './Controls.tsx';
import { HistoryList } from './HistoryList.tsx';
import { Output } from './Output.tsx';
import { PromptForm } from './PromptForm.tsx';
import './demo.css';
import './side.css';
import { useHistory } from './history.ts';
import { DEFAULTS, type Options } from './options.ts';
import { type Run, isActive } from './run.ts';
import { modelId, toFragment } from './share.ts';
import { useFragment } from './use-fragment.ts';
import { useGeneration } from './use-generation.ts';

/** The demo page: the reader's prompt, continued by the served model. */
export function Demo() {
  const api = useApi();
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

  useEffect(() => {
    if (!active) return;
    const onKey = (event: KeyboardEvent) => {
      if (event.key === 'Escape') stop();
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, [active, stop]);

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
      <div class="demo-head">
        <h1>Continue a text</h1>
        <Status watch={api} />
      </div>
      {unauthorized && <KeyForm client={client} onKept={refresh} />}
      <div class="demo">
        <div class="demo-main">
          <PromptForm
            prompt={prompt}
            onPrompt={setPrompt}
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
      <Announcer run={run} />
    </>
  );
}
