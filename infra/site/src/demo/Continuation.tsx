import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { MAX_PROMPT_CHARS, randomSeed } from '../api/limits.ts';
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
import { DEFAULTS, type Options, withSeed } from './options.ts';
import { type Run, asked, isActive } from './run.ts';
import { type Sample, recordedRun } from './sample/sample.ts';
import { useSession } from './session.ts';
import { type Shared, isOf, modelId, toFragment } from './share.ts';
import { Snippets } from './snippets/Snippets.tsx';
import { useEscape } from './use-escape.ts';
import { useFragment } from './use-fragment.ts';
import { useGeneration } from './use-generation.ts';

/** For a model that brings no examples. */
const FIRST_WORDS = 'Once more the light';

interface Props {
  readonly api: Api;
  /** Shown while there is no model. */
  readonly sample: Sample | null;
  /** Told of each change of the prompt. */
  readonly onPrompt: () => void;
}

/** The reader's prompt, continued by the served model. */
export function Continuation({ api, sample, onPrompt }: Props) {
  const { client, state, refresh } = api;
  const kept = useSession(() => ({ prompt, options, run }));
  const shared = useFragment((link) => {
    setPrompt(link.prompt);
    setOptions(link.options);
    write(link.prompt, link.options);
  });
  /** Null until the reader writes one: then it is the model's first example. */
  const [prompt, setPrompt] = useState(shared?.prompt ?? kept?.prompt ?? null);
  const [options, setOptions] = useState<Options>(shared?.options ?? kept?.options ?? DEFAULTS);
  const [cleared, setCleared] = useState<{ prompt: string | null; run: Run } | null>(null);
  const history = useHistory();
  const box = useRef<HTMLTextAreaElement>(null);
  const output = useRef<HTMLElement>(null);

  const first = () => firstRun(shared, kept?.run ?? null);
  const { run, error, start, stop, show, dismiss } = useGeneration(client, first, (ended, failure) => {
    if (ended.text !== '') history.add(ended);
    const served = state?.model;
    const answered = ended.result?.model;
    // The facts shown about the model may be out of date.
    if (failure || (served && answered && modelId(served) !== modelId(answered))) refresh();
  });
  const active = isActive(run);
  // A link asks for its text at once.
  useEffect(() => {
    if (client && run?.phase === 'waiting') start(run.prompt, run.options);
  }, [client]);

  useEscape(active, stop);

  // What is recorded stays until the reader does something, also once the model is there.
  const [record, setRecord] = useState<{ sample: Sample; index: number } | null>(null);
  useEffect(() => {
    if (sample && !run) setRecord({ sample, index: 0 });
  }, [sample]);
  const recorded = (!run && !cleared && record?.sample.texts[record.index]) || null;
  const shown = useMemo(() => run ?? (recorded && recordedRun(recorded)), [run, recorded]);

  const examples = sample ? sample.texts.map(({ answer }) => answer.prompt) : (state?.manifest?.example_prompts ?? []);
  const written = prompt ?? examples[0] ?? (state?.manifest ? FIRST_WORDS : '');
  /** Asks for a text, in the place of one that is being written. */
  const write = (from: string, settings: Options) => {
    if (active) show(null);
    setCleared(null);
    start(from, settings);
  };
  const edit = (changed: string) => {
    setPrompt(changed);
    setCleared(null);
    dismiss();
    onPrompt();
  };
  const set = (changed: Options) => {
    setOptions(changed);
    dismiss();
  };
  const share = (shown: Run) => {
    const model = shown.result?.model ?? state?.model;
    const link = toFragment({ prompt: shown.prompt, options: shown.options, model: model ? modelId(model) : null });
    window.history.replaceState(null, '', link);
  };
  const showAgain = (earlier: Run) => {
    show(earlier);
    setCleared(null);
    setPrompt(earlier.prompt);
    setOptions({ ...earlier.options, seed: options.seed });
    output.current?.scrollIntoView({ block: 'nearest', behavior: 'smooth' });
  };
  const clear = () => {
    if (run) setCleared({ prompt, run });
    setRecord(null);
    show(null);
    setPrompt('');
    box.current?.focus();
  };
  const undoClear = () => {
    if (!cleared) return;
    show(cleared.run);
    setPrompt(cleared.prompt);
    setCleared(null);
  };

  const served = state?.model ? modelId(state.model) : null;
  const field = error?.field === 'prompt' || (error?.field && error.field in options) ? error : null;
  return (
    <>
      <div class="demo">
        <div class="demo-main">
          <PromptForm
            label="Your prompt"
            prompt={written}
            fresh={prompt === null}
            onPrompt={edit}
            active={active}
            onSend={() => start(written, options)}
            onStop={stop}
            examples={examples}
            onExample={(example) => {
              setPrompt(example);
              onPrompt();
              if (sample) {
                show(null);
                setCleared(null);
                setRecord({ sample, index: examples.indexOf(example) });
              } else {
                write(example, options);
              }
            }}
            box={box}
            fault={field?.field === 'prompt' ? field.message : null}
          />
          <Output
            client={client}
            sectionRef={output}
            run={shown}
            recorded={recorded && record ? { at: record.sample.recorded_at, scored: recorded.scored } : null}
            // One error at a time: the status line has that of the server.
            error={field || api.error || error?.code === 'unauthorized' ? null : error}
            note={shared && run && isOf(run, shared) ? linkNote(shared, served) : null}
            waitingFor={
              state?.status === 'ready' ? '' : describe(state, Number.POSITIVE_INFINITY).text.title.toLowerCase()
            }
            onContinue={(text) => write(text.prompt + text.text, { ...text.options, seed: options.seed })}
            onAnother={(text) => write(text.prompt, { ...text.options, seed: randomSeed() })}
            onRepeat={(text) => write(text.prompt, text.options)}
            onShare={share}
            onClear={clear}
            onUndo={cleared ? undoClear : null}
          >
            {error?.code === 'unauthorized' && !api.error && <KeyForm client={client} onKept={refresh} />}
          </Output>
          <Snippets client={client} model={state?.model?.name ?? null} prompt={written} options={options} />
        </div>
        <div class="demo-side">
          <Controls options={options} onOptions={set} fault={field} lastSeed={run?.options.seed ?? null} />
          <HistoryList history={history} current={run} onShow={showAgain} />
        </div>
        <About state={state} />
      </div>
      <Announcer
        id={run?.id}
        text={run?.text ?? ''}
        ending={run && !active ? facts(run).slice(0, 2).join(', ') : null}
      />
    </>
  );
}

/** The text to begin with: the one that a link asks for, unless it is the one that the tab has kept. */
function firstRun(shared: Shared | null, kept: Run | null): Run | null {
  if (!shared || shared.prompt === '' || (kept && isOf(kept, shared))) return kept;
  return asked(shared.prompt.slice(0, MAX_PROMPT_CHARS), withSeed(shared.options));
}

/** What a link promises, as far as the model that is `served` keeps it. */
function linkNote({ model, options }: Shared, served: string | null): string {
  if (model && served && model !== served)
    return `This link comes from ${model}. ${served} is served now, and writes another text.`;
  return options.seed === null || !model
    ? 'From a shared link.'
    : 'From a shared link: the same model, prompt, settings and seed, and so the same text.';
}
