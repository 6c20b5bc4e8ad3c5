/** Canary deployment: the alias moves by CodeDeploy, after a smoke test, and back when an alarm is on. */
import { Match } from 'aws-cdk-lib/assertions';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { handler } from '../lib/serving/smoke-test/index.mjs';
import type { SettingsInput } from '../settings.ts';
import { reports } from './fixtures/client-codedeploy.mjs';
import { fake, invocations } from './fixtures/client-lambda.mjs';
import { statementsOf, summary, synthesize } from './support.ts';

type Serving = NonNullable<SettingsInput['serving']>;

const servingOf = (serving: Serving) => synthesize({ serving }).serving;
const template = servingOf({ canary: { percent: 5, minutes: 20 } });

const only = (type: string) => {
  const [id, ...others] = Object.keys(template.findResources(type));
  expect(others).toEqual([]);
  return id;
};

describe('the alias', () => {
  const [alias] = Object.values(template.findResources('AWS::Lambda::Alias')) as [Record<string, any>];

  test('moves by CodeDeploy, after the smoke test', () => {
    expect(alias.UpdatePolicy.CodeDeployLambdaAliasUpdate).toEqual({
      ApplicationName: { Ref: only('AWS::CodeDeploy::Application') },
      DeploymentGroupName: { Ref: only('AWS::CodeDeploy::DeploymentGroup') },
      BeforeAllowTrafficHook: { Ref: expect.stringMatching(/^CanarySmokeTest/) },
    });
    template.hasResourceProperties('AWS::CodeDeploy::DeploymentConfig', {
      ComputePlatform: 'Lambda',
      TrafficRoutingConfig: { TimeBasedCanary: { CanaryInterval: 20, CanaryPercentage: 5 }, Type: 'TimeBasedCanary' },
    });
  });

  test('moves when the smoke test knows the new version, and all rights are there', () => {
    const dependencies = (ids: string[]) => ids.map((id) => id.slice(0, -8));
    expect(dependencies(alias.DependsOn)).toEqual(
      expect.arrayContaining(['CanaryGroup', 'CanaryGroupServiceRoleDefaultPolicy', 'CanarySmokeTest']),
    );
    const [smokeTest] = Object.values(
      template.findResources('AWS::Lambda::Function', { Properties: { Handler: 'index.handler' } }),
    );
    expect(dependencies(smokeTest!.DependsOn)).toContain('CanaryRoleDefaultPolicy');
    const [version] = alias.Properties.FunctionVersion['Fn::GetAtt'];
    template.hasResourceProperties('AWS::Lambda::Function', {
      Environment: { Variables: { VERSION: { Ref: version } } },
    });
  });

  test('moves back when an alarm about the function is on, or the smoke test fails', () => {
    const group = template.findResources('AWS::CodeDeploy::DeploymentGroup')[only('AWS::CodeDeploy::DeploymentGroup')!];
    const { AlarmConfiguration, AutoRollbackConfiguration } = group!.Properties;
    expect(AlarmConfiguration.Enabled).toBe(true);
    const alarms = AlarmConfiguration.Alarms.map(({ Name }: { Name: { Ref: string } }) => Name.Ref.slice(0, -8));
    expect(alarms.toSorted()).toEqual(['Errors', 'ModelNotLoaded', 'ServerErrors', 'SlowColdStarts', 'SlowRequests']);
    expect(AutoRollbackConfiguration).toEqual({
      Enabled: true,
      Events: ['DEPLOYMENT_FAILURE', 'DEPLOYMENT_STOP_ON_REQUEST', 'DEPLOYMENT_STOP_ON_ALARM'],
    });
  });

  test('moves at once without a canary', () => {
    const atOnce = servingOf({});
    atOnce.resourceCountIs('AWS::CodeDeploy::Application', 0);
    atOnce.hasResource('AWS::Lambda::Alias', { UpdatePolicy: Match.absent() });
  });

  test('goes with instances that have room for two versions', () => {
    const managed = { memoryMb: 4096, managedInstances: { minEnvironments: 4 }, canary: {} };
    expect(() => servingOf({ ...managed, managedInstances: { minEnvironments: 5, maxEnvironments: 5 } })).toThrow(
      'serving.canary: two versions of managedInstances take 20 vCPUs; expected at least as many maxVcpus',
    );
    servingOf({ ...managed, managedInstances: { minEnvironments: 4, maxEnvironments: 4 } }).resourceCountIs(
      'AWS::CodeDeploy::DeploymentGroup',
      1,
    );
  });
});

test('the smoke test invokes versions of the function, and reports', () => {
  expect(statementsOf(template, 'CanaryRole').map(summary)).toEqual([
    { actions: ['logs:CreateLogStream', 'logs:PutLogEvents'], resources: ['<CanaryLog>'] },
    { actions: ['lambda:InvokeFunction'], resources: ['<Generate>:*'] },
    {
      actions: ['codedeploy:PutLifecycleEventHookExecutionStatus'],
      resources: [expect.stringMatching(/^arn:.+:deploymentgroup:<CanaryApplication>\/<CanaryGroup>$/)],
    },
  ]);
});

test('it knows what the function is asked by, and whether that asks for a key', () => {
  const environment = (serving: Serving) => {
    const [smokeTest] = Object.values(
      servingOf({ ...serving, canary: {} }).findResources('AWS::Lambda::Function', {
        Properties: { Handler: 'index.handler' },
      }),
    );
    return smokeTest?.Properties.Environment.Variables;
  };
  expect(environment({})).toMatchObject({ ENDPOINT: 'rest-api', KEY_REQUIRED: 'false' });
  const closed = environment({ endpoint: 'function-url', apiKeySha256: ['a'.repeat(64)] });
  expect(closed).toMatchObject({ ENDPOINT: 'function-url', KEY_REQUIRED: 'true' });
});

describe('the smoke test', () => {
  beforeEach(() => {
    vi.stubEnv('VERSION', 'arn:aws:lambda:eu-central-1:123456789012:function:generate:7');
    vi.stubEnv('ENDPOINT', 'rest-api');
    vi.stubEnv('KEY_REQUIRED', 'false');
    invocations.length = reports.length = 0;
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
  });

  /** What is reported of a function that answers so, and what the log says. */
  async function outcome(answer: (event: any) => object): Promise<[string, string | undefined]> {
    fake.answer = answer;
    const log = vi.spyOn(console, 'error').mockReturnValue();
    await handler({ DeploymentId: 'd-1', LifecycleEventHookExecutionId: 'hook-1' });
    expect(reports).toEqual([
      { deploymentId: 'd-1', lifecycleEventHookExecutionId: 'hook-1', status: expect.any(String) },
    ]);
    return [reports[0].status, log.mock.calls[0]?.[0]];
  }

  const whole = (statusCode: number, body: object) => ({
    Payload: Buffer.from(JSON.stringify({ statusCode, body: JSON.stringify(body), isBase64Encoded: false })),
  });
  const streamed = (statusCode: number, body: object) => ({
    Payload: Buffer.from(`{"statusCode":${statusCode},"headers":{}}\0\0\0\0\0\0\0\0${JSON.stringify(body)}`),
  });

  test.each([
    ['as a whole', whole],
    ['streamed', streamed],
  ])('lets a version through that answers with a text, %s', async (_, answer) => {
    expect(await outcome(() => answer(200, { response: ' day the tide' }))).toEqual(['Succeeded', undefined]);
    expect(invocations).toHaveLength(1);
    expect(invocations[0].FunctionName).toMatch(/:7$/);
  });

  test.each([
    ['has no model', () => whole(503, { error: { code: 'no_model' } }), /expected 200, found 503: .+no_model/],
    ['fails while it streams', () => streamed(500, { error: {} }), /expected 200, found 500/],
    ['has no text', () => whole(200, { response: '' }), /expected a text/],
    ['crashes', () => ({ FunctionError: 'Unhandled', Payload: Buffer.from('exit status 101') }), /exit status 101/],
    ['answers with something else', () => ({ Payload: Buffer.from('<html>') }), /gets no requests/],
  ])('stops a version that %s', async (_, answer, reason) => {
    expect(await outcome(answer)).toEqual(['Failed', expect.stringMatching(reason)]);
  });

  test('without the key of a closed function, looks whether it has a model and asks for the key', async () => {
    vi.stubEnv('KEY_REQUIRED', 'true');
    const closed = (status: number) => ({ path }: { path: string }) => whole(path === '/ready' ? 200 : status, {});
    expect(await outcome(closed(401))).toEqual(['Succeeded', undefined]);
    reports.length = 0;
    expect(await outcome(closed(200))).toEqual(['Failed', expect.stringContaining('expected 401, found 200')]);
  });
});
