import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { Client } from '../api/client.ts';
import { loadedModel } from '../api/loaded-model.ts';
import { type Api, useApi } from '../components/status/use-api.ts';
import { useModel } from '../components/status/use-model.ts';
import { AnswerCard } from './AnswerCard.tsx';
import { Announcer } from './Announcer.tsx';
import { Curves } from './Curves.tsx';
import { Facts } from './Facts.tsx';
import { HowToAdd } from './HowToAdd.tsx';
import { PromptForm } from './PromptForm.tsx';
import { Verdict } from './Verdict.tsx';
import { absolute, columnNames, isSame, otherClients } from './columns.ts';
import { keep, readKept } from './kept.ts';
import { DEFAULTS, toSampling } from './options.ts';
import type { Measured } from './rows.ts';
import { useAnswers } from './use-answers.ts';
import { incomparable } from './validation.ts';

/** The comparison page: models side by side, each behind an API of its own. */
export function Compare() {
  const api = useApi();
  const { client, config } = api;
  const others = useMemo(() => (client && config ? otherClients(client, config) : null), [client, config]);
  return (
    <>
      <h1>Models side by side</h1>
      <p class="soft">What each was trained on, how well it learned, how large and how fast it is, and how it continues the same text.</p>
      <Comparison key={others?.map(({ base }) => base).join(' ')} own={api} others={others} />
    </>
  );
}

/** `others` is null until they are known; then there are as many for as long as this is shown. */
function Comparison({ own, others }: { own: Api; others: readonly Client[] | null }) {
  const watches = [own, ...(others ?? []).map((client) => useModel(client))];
  const clients = [own.client, ...(others ?? [])];
  // A model alone is compared with itself: it has a second text, at another temperature.
  const alone = others?.length === 0;
  const texts = alone ? [0, 0] : clients.map((_, column) => column);
  const addresses = clients.map((client) => absolute(client?.base ?? ''));
  const asked = texts.map((column) => addresses[column] ?? '');

  const [kept] = useState(() => (others ? readKept(asked) : null));
  const { answers, results, active, ask, stop } = useAnswers(
    texts.map((column) => clients[column] ?? null),
    kept?.answers ?? [],
    (text, { result }) => {
      // The model may have been replaced, or the API have come back.
      const watch = watches[texts[text] ?? 0];
      const model = watch?.state?.model;
      if (!model || !result || !isSame(model, result.model)) watch?.refresh();
    },
  );
  /** Null until the reader has written one. */
  const [written, setPrompt] = useState<string | null>(kept?.prompt ?? null);
  const [options, setOptions] = useState(kept?.options ?? DEFAULTS);
  const seed = answers.find((answer) => answer)?.request.seed ?? null;

  const models = watches.map(({ state }) => loadedModel(state));
  const names = columnNames(models, addresses);
  const measured = models.map((model, column): Measured | null => {
    const answer = results[column];
    return model && { ...model, answer: answer && isSame(answer.model, model.model) ? answer : null };
  });
  const known = models.filter((model) => model !== null);
  const remark = incomparable(known.map(({ manifest }) => manifest));
  const examples = examplesOf(known.map(({ manifest }) => manifest.example_prompts));
  const prompt = written ?? examples[0] ?? '';

  useKept(() => others && keep(asked, { prompt, options, answers }));

  const send = (prompt: string) => {
    const request = { prompt, ...toSampling(options) };
    ask((text) => (alone && text === 1 ? { ...request, temperature: Number(options.second_temperature) } : request));
  };
  const titles = texts.map((column, text) => {
    if (!alone) return names[column] ?? '';
    const chosen = text === 0 ? options.temperature : options.second_temperature;
    return `${names[0]} at temperature ${answers[text]?.request.temperature ?? chosen}`;
  });
  return (
    <>
      <PromptForm
        prompt={prompt}
        onPrompt={setPrompt}
        options={options}
        onOptions={setOptions}
        examples={examples}
        alone={alone}
        active={active}
        lastSeed={seed}
        onSend={send}
        onStop={stop}
      />
      <div class="answers">
        {texts.map((column, text) => {
          const answer = answers[text] ?? null;
          return (
            <AnswerCard
              key={text}
              column={text}
              name={titles[text] ?? ''}
              address={addresses[column] ?? ''}
              client={clients[column] ?? null}
              watch={watches[column]!}
              // Its state is said once.
              state={text === column}
              answer={answer}
              onAgain={() => answer && ask(() => answer.request, text)}
            />
          );
        })}
      </div>
      <Announcer names={titles} answers={answers} />
      <Verdict names={names} models={models} />
      <Curves names={names} models={models} remark={remark} />
      <Facts names={names} models={measured} remark={remark} />
      {alone && <HowToAdd />}
    </>
  );
}

/** Calls `keep` when the page is left. */
function useKept(keep: () => void): void {
  const latest = useRef(keep);
  latest.current = keep;
  useEffect(() => {
    const leave = () => latest.current();
    addEventListener('pagehide', leave);
    return () => removeEventListener('pagehide', leave);
  }, []);
}

/** Prompts to try: as many of each model as there is room for. */
function examplesOf(prompts: readonly (readonly string[])[]): string[] {
  const each = Math.max(1, Math.floor(6 / Math.max(1, prompts.length)));
  return [...new Set(prompts.flatMap((of) => of.slice(0, each)))];
}
