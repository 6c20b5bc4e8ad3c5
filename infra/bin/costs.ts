/** Tables of what the stages cost in a month, and of when a service is cheaper: `npm run costs`. Needs no account. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, Stack } from 'aws-cdk-lib';
import { CfnAlarm, CfnDashboard } from 'aws-cdk-lib/aws-cloudwatch';
import { crossover, MEASURED, requestUsd } from '../lib/costs/crossover.ts';
import { accountCosts, type Item, monthlyCosts, type Stage, total } from '../lib/costs/monthly.ts';
import { DAYS_PER_MONTH } from '../lib/costs/prices.ts';
import { PROJECT_FOLDER } from '../lib/paths.ts';
import { addStacks } from '../lib/stage.ts';
import { settingsOf, stages } from '../settings.ts';

/** How the stages are used: at rest, and by some people who try something now and then. */
const USES = {
  'at rest': { requestsPerMonth: 0, hoursInUse: 0 },
  '10,000 requests in 100 hours': { requestsPerMonth: 10_000, hoursInUse: 100 },
};

const { context } = JSON.parse(readFileSync(join(PROJECT_FOLDER, 'cdk.json'), 'utf8'));
const folder = mkdtempSync(join(tmpdir(), 'costs-'));
for (const [title, use] of Object.entries(USES)) {
  const used = Object.keys(stages).map((name) => stageOf(name, use));
  const columns = [...used.map((stage) => monthlyCosts(stage)), accountCosts(used)];
  console.log(`\n| USD a month, ${title} | ${Object.keys(stages).join(' | ')} | both, less what is free |`);
  console.log('|---|---|---|---|');
  columns[0]!.forEach(({ what }, row) => print(what, columns.map((items) => items[row]!.usd)));
  print('together', columns.map(total));
}
for (const name of Object.keys(stages).filter((name) => settingsOf(name).training.compute === 'ec2')) {
  console.log(`\nNot in the tables: ${name} trains on instances. README.md, *A GPU*, says how to compute what that costs.`);
}
rmSync(folder, { recursive: true });

const { lambda, service, tokensPerRequest } = MEASURED;
console.log('\n| requests a day from which a service is cheaper | than a REST API | than a function URL |');
console.log('|---|---|---|');
for (const [texts, tokensPerSecond] of Object.entries(service.tokensPerSecond)) {
  const found = [true, false].map((restApi) =>
    crossover(requestUsd(lambda, restApi), { vcpus: service.vcpus, tokensPerSecond }, tokensPerRequest),
  );
  const cells = found.map((at) => (at ? `${at.requestsPerDay.toLocaleString('en')} (tasks: ${at.tasks})` : 'never'));
  console.log(`| ${tokensPerSecond} tokens/s of a task, texts at once: ${texts} | ${cells.join(' | ')} |`);
}

function stageOf(name: string, use: { requestsPerMonth: number; hoursInUse: number }): Stage {
  const settings = settingsOf(name);
  // What is in it costs nothing.
  settings.serving.zip = 'bin';
  const stacks = Object.values(addStacks(new App({ context, outdir: join(folder, name) }), name, settings)) as Stack[];
  const resources = stacks.flatMap((stack) => stack.node.findAll());
  return {
    settings,
    alarms: resources.filter((resource) => resource instanceof CfnAlarm).length,
    dashboards: resources.filter((resource) => resource instanceof CfnDashboard).length,
    // The schedules of the stages are weekly.
    use: { ...use, trainingsPerMonth: settings.training.schedule ? DAYS_PER_MONTH / 7 : 0 },
  };
}

function print(what: Item['what'], usd: number[]): void {
  console.log(`| ${what} | ${usd.map((price) => price.toFixed(2)).join(' | ')} |`);
}
