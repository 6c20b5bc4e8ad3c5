import { useMemo, useState } from 'preact/hooks';
import { Client } from '../api/client.ts';
import { loadedModel } from '../api/loaded-model.ts';
import type { Sampling } from '../api/types.ts';
import { type Api, useApi } from '../components/status/use-api.ts';
import { useModel } from '../components/status/use-model.ts';
import { AnswerCard } from './AnswerCard.tsx';
import { Announcer } from './Announcer.tsx';
import { Curves } from './Curves.tsx';
import { Facts } from './Facts.tsx';
import { HowToAdd } from './HowToAdd.tsx';
import { PromptForm } from './PromptForm.tsx';
import { absolute, columnNames, isSame, otherClients } from './columns.ts';
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
      <p class="soft">Their corpora, losses, sizes and speed, and how each continues the same prompt.</p>
      <Comparison key={others?.map(({ base }) => base).join(' ')} own={api} others={others} />
    </>
  );
}

/** `others` is null until they are known; then there are as many for as long as this is shown. */
function Comparison({ own, others }: { own: Api; others: readonly Client[] | null }) {
  const clients = [own.client, ...(others ?? [])];
  const watches = [own, ...(others ?? []).map((client) => useModel(client))];
  const { answers, results, active, ask, stop } = useAnswers(clients, (column, { result }) => {
    // The model may have been replaced, or the API have come back.
    const model = watches[column]?.state?.model;
    if (!model || !result || !isSame(model, result.model)) watches[column]?.refresh();
  });
  const [seed, setSeed] = useState<number | null>(null);
  const send = (prompt: string, sampling: Sampling & { seed: number }) => {
    setSeed(sampling.seed);
    ask({ prompt, ...sampling });
  };

  const models = watches.map(({ state }) => loadedModel(state));
  const addresses = clients.map((client) => absolute(client?.base ?? ''));
  const names = columnNames(models, addresses);
  const measured = models.map((model, column): Measured | null => {
    const answer = results[column];
    return model && { ...model, answer: answer && isSame(answer.model, model.model) ? answer : null };
  });
  const known = models.filter((model) => model !== null);
  const remark = incomparable(known.map(({ manifest }) => manifest));
  return (
    <>
      <PromptForm
        examples={examplesOf(known.map(({ manifest }) => manifest.example_prompts))}
        active={active}
        lastSeed={seed}
        onSend={send}
        onStop={stop}
      />
      <div class="answers">
        {watches.map((watch, column) => {
          const answer = answers[column] ?? null;
          return (
            <AnswerCard
              key={column}
              column={column}
              name={names[column] ?? ''}
              address={addresses[column] ?? ''}
              client={clients[column] ?? null}
              watch={watch}
              answer={answer}
              onAgain={() => answer && ask(answer.request, column)}
            />
          );
        })}
        {others?.length === 0 && <HowToAdd />}
      </div>
      <Announcer names={names} answers={answers} />
      <Curves names={names} models={models} remark={remark} />
      <Facts names={names} models={measured} remark={remark} />
    </>
  );
}

/** Prompts to try: as many of each model as there is room for. */
function examplesOf(prompts: readonly (readonly string[])[]): string[] {
  const each = Math.max(1, Math.floor(6 / Math.max(1, prompts.length)));
  return [...new Set(prompts.flatMap((of) => of.slice(0, each)))];
}
