/** Observability stack: alarms, failed jobs, budget, age of the model, dashboard. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Match, type Template } from 'aws-cdk-lib/assertions';
import { expect, test, vi } from 'vitest';
import { handler } from '../lib/observability/model-age/index.mjs';
import { ageDays, metricLine } from '../lib/observability/model-age/metric.mjs';
import { PROJECT_FOLDER } from '../lib/paths.ts';
import type { SettingsInput } from '../settings.ts';
import { requests } from './fixtures/client-s3.mjs';
import { synthesize } from './support.ts';

const observabilityOf = (alarms: SettingsInput['alarms'] = {}) => synthesize({ alarms: alarms ?? {} }).observability;
const { observability: defaults } = synthesize();
const { serving, observability: complete } = synthesize({
  alarms: { email: 'ops@example.org', modelAgeDays: 8, p99Seconds: 12, coldStartSeconds: 3 },
});

/** Metric and threshold by the name of the alarm. */
function alarmsOf(...templates: Template[]): Record<string, [string, number]> {
  const alarms = templates.flatMap((template) => Object.entries(template.findResources('AWS::CloudWatch::Alarm')));
  return Object.fromEntries(
    alarms.map(([id, { Properties }]) => [id.slice(0, -8), [Properties.MetricName, Properties.Threshold]]),
  );
}

test('there is an alarm for everything that goes wrong, and ten are free', () => {
  expect(alarmsOf(serving, complete)).toEqual({
    Errors: ['Errors', 0],
    Throttles: ['Throttles', 0],
    SlowRequests: ['Duration', 12_000],
    SlowColdStarts: ['ColdStart', 3000],
    ModelNotLoaded: ['LoadFailures', 0],
    ServerErrors: ['5XXError', 0],
    RetrainingNotSubmitted: ['TargetErrorCount', 0],
    ModelTooOld: ['ModelAgeDays', 8],
  });
});

test('what the function reports is that of its stage', () => {
  for (const MetricName of ['ColdStart', 'LoadFailures']) {
    serving.hasResourceProperties('AWS::CloudWatch::Alarm', {
      MetricName,
      Namespace: 'TroelsLLM',
      Dimensions: [{ Name: 'FunctionName', Value: { Ref: Match.stringLikeRegexp('^Generate') } }],
    });
  }
});

test('errors of the API are those of its stage', () => {
  serving.hasResourceProperties('AWS::CloudWatch::Alarm', {
    MetricName: '5XXError',
    Dimensions: [{ Name: 'ApiName', Value: 'TroelsLLM-test-Serving' }],
  });
});

test('what cannot be measured has no alarm', () => {
  expect(alarmsOf(defaults)).not.toHaveProperty('ModelTooOld');
  expect(alarmsOf(synthesize({ serving: { endpoint: 'function-url', apiKey: null } }).serving)).not.toHaveProperty('ServerErrors');
});

test('every alarm tells the topic, and says where to read on', () => {
  const name = 'TroelsLLM-test-Alarms';
  complete.hasResourceProperties('AWS::SNS::Topic', { TopicName: name });
  // From the stack of the function only by its name: the topic is made later.
  const byName = { 'Fn::Join': ['', Match.arrayWith([`:${name}`])] };
  for (const [template, topic] of [
    [complete, { Ref: Match.stringLikeRegexp('^Alarms') }],
    [serving, byName],
  ] as const) {
    template.allResourcesProperties('AWS::CloudWatch::Alarm', {
      AlarmActions: [topic],
      AlarmDescription: Match.stringLikeRegexp('infra/README.md'),
    });
  }
  complete.hasResourceProperties('AWS::SNS::Subscription', { Protocol: 'email', Endpoint: 'ops@example.org' });
  defaults.resourceCountIs('AWS::SNS::Subscription', 0);
});

test('the README says what to do about each', () => {
  const readme = readFileSync(join(PROJECT_FOLDER, 'README.md'), 'utf8');
  for (const id of [...Object.keys(alarmsOf(serving, complete)), 'RetrainingFailed', 'RetrainingWaits']) expect(readme).toContain(`| ${id} |`);
});

test('a job that fails, or whose gate holds, is told with its exit code', () => {
  defaults.hasResourceProperties('AWS::Events::Rule', {
    EventPattern: {
      source: ['aws.batch'],
      'detail-type': ['Batch Job State Change'],
      detail: { status: ['FAILED'], jobQueue: [{ 'Fn::GetStackOutput': Match.objectLike({ OutputName: Match.stringLikeRegexp('ComputeQueue') }) }] },
    },
    State: 'ENABLED',
    Targets: [
      Match.objectLike({
        Arn: { Ref: Match.stringLikeRegexp('^Alarms') },
        InputTransformer: Match.objectLike({
          InputPathsMap: Match.objectLike({ 'detail-container-exitCode': '$.detail.container.exitCode' }),
        }),
      }),
    ],
  });
});

test('a job that waits for capacity or a quota is told with the reason', () => {
  defaults.hasResourceProperties('AWS::Events::Rule', {
    EventPattern: {
      source: ['aws.batch'],
      'detail-type': ['Batch Job Queue Blocked'],
      detail: { jobQueue: [{ 'Fn::GetStackOutput': Match.objectLike({ OutputName: Match.stringLikeRegexp('ComputeQueue') }) }] },
    },
    State: 'ENABLED',
    Targets: [
      Match.objectLike({
        Arn: { Ref: Match.stringLikeRegexp('^Alarms') },
        InputTransformer: Match.objectLike({
          InputPathsMap: Match.objectLike({ 'detail-statusReason': '$.detail.statusReason' }),
          InputTemplate: Match.stringLikeRegexp('infra/README.md, RetrainingWaits'),
        }),
      }),
    ],
  });
});

test('the budget tells before it is spent', () => {
  observabilityOf({ monthlyBudgetUsd: 42 }).hasResourceProperties('AWS::Budgets::Budget', {
    Budget: { BudgetType: 'COST', TimeUnit: 'MONTHLY', BudgetLimit: { Amount: 42, Unit: 'USD' } },
    NotificationsWithSubscribers: [
      Match.objectLike({ Notification: Match.objectLike({ NotificationType: 'ACTUAL', Threshold: 80 }) }),
      Match.objectLike({ Notification: Match.objectLike({ NotificationType: 'FORECASTED', Threshold: 100 }) }),
    ],
  });
  observabilityOf({ monthlyBudgetUsd: null }).resourceCountIs('AWS::Budgets::Budget', 0);
});

test('the age of a model is measured daily', () => {
  complete.hasResourceProperties('AWS::Scheduler::Schedule', { ScheduleExpression: 'rate(1 day)' });
  complete.hasResourceProperties('AWS::CloudWatch::Alarm', {
    MetricName: 'ModelAgeDays',
    Period: 86_400,
    InsufficientDataActions: [{ Ref: Match.stringLikeRegexp('^Alarms') }],
  });
});

test('a version tells its age', () => {
  const now = Date.UTC(2026, 10, 26, 23, 18, 14);
  expect(ageDays('20261124T111814Z-5f91535e', now)).toBe(2.5);
  expect(() => ageDays('latest', now)).toThrow('found latest');
});

test('its metric is in the format that CloudWatch takes from logs', () => {
  expect(JSON.parse(metricLine(2.5, 'measure', 1000))).toEqual({
    _aws: {
      Timestamp: 1000,
      CloudWatchMetrics: [{ Namespace: 'TroelsLLM', Dimensions: [['FunctionName']], Metrics: [{ Name: 'ModelAgeDays' }] }],
    },
    FunctionName: 'measure',
    ModelAgeDays: 2.5,
  });
});

test('it is measured of the version that the channel names', async () => {
  const log = vi.spyOn(console, 'log').mockReturnValue();
  vi.stubEnv('BUCKET', 'artifacts');
  vi.stubEnv('CHANNEL_KEY', 'channels/live.json');
  vi.stubEnv('AWS_LAMBDA_FUNCTION_NAME', 'measure');
  vi.setSystemTime(Date.UTC(2026, 10, 25, 11, 18, 14));
  await handler();
  expect(requests).toEqual([{ Bucket: 'artifacts', Key: 'channels/live.json' }]);
  expect(JSON.parse(log.mock.calls[0]?.[0])).toMatchObject({ FunctionName: 'measure', ModelAgeDays: 1 });
  vi.useRealTimers();
  vi.unstubAllEnvs();
  log.mockRestore();
});

test('the dashboard has a channel beside its challenger', () => {
  const bodyOf = (challenger: { channel: string } | null) => {
    const { observability } = synthesize({ serving: { challenger } });
    const [dashboard] = Object.values(observability.findResources('AWS::CloudWatch::Dashboard'));
    return JSON.stringify(dashboard);
  };
  const body = bodyOf({ channel: 'next' });
  for (const metric of ['Texts', 'FailedTexts', 'Tokens', 'TokensPerSecond', 'FirstToken']) {
    for (const channel of ['live', 'next']) {
      // [namespace, name, dimensions…], in JSON within JSON within JSON.
      expect(body).toMatch(new RegExp(`TroelsLLM[^A-Za-z]+${metric}[^A-Za-z]+Channel[^A-Za-z]+${channel}[^A-Za-z]`));
    }
  }
  expect(bodyOf(null)).not.toContain('Channel');
});

test('there is one dashboard', () => {
  defaults.hasResourceProperties('AWS::CloudWatch::Dashboard', { DashboardName: 'TroelsLLM-test-Observability' });
});
