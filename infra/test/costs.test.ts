/** Costs: what a stage keeps and reports, and what an account has for nothing, computed by hand. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { accountCosts, checkpointsGb, monthlyCosts, type Stage, total, versionsGb } from '../lib/costs/monthly.ts';
import { CHANNEL_METRICS, FUNCTION_METRICS } from '../lib/costs/monthly.ts';
import { PROJECT_FOLDER } from '../lib/paths.ts';
import { parseSettings, type SettingsInput } from '../settings.ts';

const when = { cron: '0 3 ? * SUN *', timeZone: 'Europe/Copenhagen' };
const WEEKLY = 730 / 24 / 7;

const stage = (input: SettingsInput, use: Partial<Stage['use']> = {}, alarms = 7): Stage => ({
  settings: parseSettings('test', input),
  alarms,
  dashboards: 1,
  use: { trainingsPerMonth: 0, requestsPerMonth: 0, hoursInUse: 0, ...use },
});
const usd = (items: ReturnType<typeof monthlyCosts>, name: string) => items.find(({ what }) => what === name)?.usd;

test('pruning bounds what versions take, and what it deletes is paid for until it is gone', () => {
  const storage = { prune: { ...when, keep: 5 }, oldVersionsDays: 30 };
  const pruned = stage({ storage }, { trainingsPerMonth: WEEKLY });
  // Five kept, and 30 days of a version each week: 1.6 GB each.
  expect(versionsGb(pruned, 12)).toBeCloseTo((5 + 30 / 7) * 1.6);
  expect(versionsGb(pruned, 1)).toBeCloseTo(5 * 1.6);
  expect(usd(monthlyCosts(pruned), 'Versions of models')).toBeCloseTo(14.857 * 0.023, 3);
});

test('without pruning every version stays', () => {
  const weekly = stage({}, { trainingsPerMonth: WEEKLY });
  expect(versionsGb(weekly, 12)).toBeCloseTo(53 * 1.6);
  expect(versionsGb(stage({}), 12)).toBeCloseTo(1.6);
});

test('each training leaves its checkpoints for a week and a day', () => {
  // 90 steps have two checkpoints, the one at step 50 and the last.
  const weekly = stage({ training: { checkpointEverySteps: 50 } }, { trainingsPerMonth: WEEKLY });
  expect(checkpointsGb(weekly)).toBeCloseTo(((2 * 8) / 7) * 1.95);
});

test('a retraining is 0.020 on Fargate, and 0.006 on Spot', () => {
  const retraining = (spot: boolean) =>
    usd(monthlyCosts(stage({ training: { spot } }, { trainingsPerMonth: 1 })), 'Retraining on Fargate');
  expect(retraining(false)).toBeCloseTo(0.4 * 0.04048 + 0.8 * 0.004445, 6);
  expect(retraining(true)).toBeCloseTo(0.0059, 4);
});

test('provisioned instances are paid for all month', () => {
  const items = monthlyCosts(stage({ serving: { provisionedConcurrency: 1 } }));
  expect(usd(items, 'Provisioned concurrency')).toBeCloseTo(730 * 3600 * (1769 / 1024) * 0.0000041667, 6);
});

test('a retraining on instances has no price of Fargate', () => {
  const items = monthlyCosts(stage({ training: { compute: 'ec2', gpus: 1 } }, { trainingsPerMonth: 1 }));
  expect(usd(items, 'Retraining on Fargate')).toBe(0);
});

test('a key that signs costs a dollar a month, if it is one of the stage', () => {
  const ofKey = (signingKey: string | null) => usd(monthlyCosts(stage({ training: { signingKey } })), 'Key that signs');
  expect(ofKey('create')).toBe(1);
  expect(ofKey(`arn:aws:kms:eu-west-1:123456789012:key/${'1'.repeat(36)}`)).toBe(0);
  expect(ofKey(null)).toBe(0);
});

test('an account has ten alarms, ten metrics and three dashboards for nothing, and not each stage', () => {
  const both = accountCosts([stage({}, { hoursInUse: 730 }, 7), stage({}, { hoursInUse: 730 }, 8)]);
  expect(usd(both, 'Alarms')).toBeCloseTo(0.5);
  expect(usd(both, 'Dashboards')).toBe(0);
  // 17 metrics of each function, all the time.
  expect(usd(both, 'Metrics')).toBeCloseTo((34 - 10) * 0.3);
  expect(usd(accountCosts([stage({}, {}, 7)]), 'Alarms')).toBe(0);
});

test('metrics cost by the hours in which there are requests, and a challenger has its own', () => {
  expect(usd(monthlyCosts(stage({}, { hoursInUse: 73 })), 'Metrics')).toBeCloseTo(1.7 * 0.3);
  const challenged = stage({ serving: { challenger: {} } }, { hoursInUse: 730 });
  expect(usd(monthlyCosts(challenged), 'Metrics')).toBeCloseTo((17 + 2 * 5) * 0.3);
  const watched = stage({ alarms: { modelAgeDays: 8 } });
  expect(usd(monthlyCosts(watched), 'Metrics')).toBeCloseTo(0.3 / 24);
});

test('a million requests have 1.6 GB of log', () => {
  expect(usd(monthlyCosts(stage({}, { requestsPerMonth: 1_000_000 })), 'Logs')).toBeCloseTo(0.8);
});

test('an image costs its snapshot, and a firewall what it costs while idle', () => {
  const items = monthlyCosts(stage({ serving: { package: 'image', waf: {} } }));
  // 1,769 MB for 730 hours.
  expect(usd(items, 'Snapshot of the function')).toBeCloseTo(1.7275 * 2_628_000 * 0.0000015046, 2);
  expect(usd(items, 'Firewall')).toBe(8);
  expect(usd(items, 'Images')).toBeCloseTo(0.21);
  expect(total(items)).toBeCloseTo(items.reduce((sum, item) => sum + item.usd, 0));
});

test('the metrics are those that the function describes', () => {
  const described = (file: string) => {
    const source = readFileSync(join(PROJECT_FOLDER, '../functions/generate/src', file), 'utf8');
    const found = source.matchAll(/describe_\w+!\(\s*"(\w+)"|^ +\("([A-Z]\w+)", "/gm);
    return [...found].map(([, one, other]) => one ?? other!).filter((name) => name !== 'Errors');
  };
  const metrics = [...described('domain/telemetry.rs'), ...described('http/observe.rs')];
  const ofChannelsOnly = ['Texts', 'FailedTexts'];
  expect(metrics.filter((name) => !ofChannelsOnly.includes(name))).toHaveLength(FUNCTION_METRICS);
  const alsoOfChannels = ['Tokens', 'FirstToken', 'TokensPerSecond'];
  expect(metrics).toEqual(expect.arrayContaining([...ofChannelsOnly, ...alsoOfChannels]));
  expect([...ofChannelsOnly, ...alsoOfChannels]).toHaveLength(CHANNEL_METRICS);
});
