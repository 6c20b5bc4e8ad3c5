/** Serving stack: the function, its environment and its endpoints. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, test } from 'vitest';
import { PROJECT_FOLDER } from '../lib/paths.ts';
import { OPEN_ROUTES } from '../lib/serving/rest-endpoint.ts';
import { type SettingsInput } from '../settings.ts';
import { addTestStacks, newApp, synthesize } from './support.ts';

type Serving = NonNullable<SettingsInput['serving']>;

const servingOf = (serving: Serving = {}) => synthesize({ serving }).serving;
const defaults = servingOf();

test('the function is the built zip, on a runtime without a language', () => {
  defaults.hasResourceProperties('AWS::Lambda::Function', {
    Runtime: 'provided.al2023',
    Architectures: ['x86_64'],
    MemorySize: 1769,
    Timeout: 65,
    EphemeralStorage: { Size: 512 },
    ReservedConcurrentExecutions: Match.absent(),
  });
  defaults.hasResourceProperties('AWS::Lambda::Alias', { Name: 'live' });
});

test('settings reach the function', () => {
  const template = servingOf({
    architecture: 'arm64',
    memoryMb: 3008,
    temporaryStorageMb: 2048,
    precision: 'float32',
    channel: 'canary',
    modelCheckSeconds: 5,
    timeLimitSeconds: 120,
    reservedConcurrency: 7,
    corsOrigins: ['https://a.example', 'https://b.example'],
    apiKeySha256: ['a'.repeat(64), 'b'.repeat(64)],
    logDays: 7,
  });
  template.hasResourceProperties('AWS::Lambda::Function', {
    Architectures: ['arm64'],
    MemorySize: 3008,
    Timeout: 125,
    EphemeralStorage: { Size: 2048 },
    ReservedConcurrentExecutions: 7,
    Environment: {
      Variables: {
        MODEL_CHANNEL: 'canary',
        MODEL_CHECK_SECONDS: '5',
        MODEL_PRECISION: 'float32',
        TIME_LIMIT_SECONDS: '120',
        RESPONSE_MODE: 'streaming',
        CORS_ORIGINS: 'https://a.example,https://b.example',
        API_KEY_SHA256: `${'a'.repeat(64)},${'b'.repeat(64)}`,
      },
    },
  });
  template.allResourcesProperties('AWS::Logs::LogGroup', { RetentionInDays: 7 });
});

test('the function is told no more than it has to know', () => {
  const [{ Properties }] = Object.values(defaults.findResources('AWS::Lambda::Function')) as [Record<string, any>];
  expect(Object.keys(Properties.Environment.Variables).toSorted()).toEqual([
    'AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH',
    'MODEL_CHANNEL',
    'MODEL_CHECK_SECONDS',
    'MODEL_STORE',
    'RESPONSE_MODE',
    'TIME_LIMIT_SECONDS',
  ]);
});

test('a challenger gets its share of the requests', () => {
  const template = servingOf({ challenger: { channel: 'next', share: 0.25 } });
  template.hasResourceProperties('AWS::Lambda::Function', {
    Environment: { Variables: Match.objectLike({ MODEL_CHALLENGER: 'next', MODEL_CHALLENGER_SHARE: '0.25' }) },
  });
});

test('a missing zip is an error that names the remedy', () => {
  const deploy = () => addTestStacks(newApp(), { serving: { zip: 'no/such.zip' } });
  expect(deploy).toThrow(/serving\.zip: there is no .+no\/such\.zip; scripts\/build-function\.sh builds it/);
});

test('an image has SnapStart and needs no zip', () => {
  const template = servingOf({ package: 'image', imageTag: 'v7', zip: 'no/such.zip' });
  template.hasResourceProperties('AWS::Lambda::Function', {
    PackageType: 'Image',
    SnapStart: { ApplyOn: 'PublishedVersions' },
  });
  expect(JSON.stringify(template.toJSON())).toContain(':v7');
});

test('managed instances take several requests at once', () => {
  const template = servingOf({ memoryMb: 4096, managedInstances: { requestsAtOnce: 16, maxEnvironments: 5 } });
  template.hasResourceProperties('AWS::Lambda::CapacityProvider', {
    InstanceRequirements: { Architectures: ['x86_64'] },
    CapacityProviderScalingConfig: Match.objectLike({ MaxVCpuCount: 16 }),
  });
  template.hasResourceProperties('AWS::Lambda::Function', {
    CapacityProviderConfig: {
      LambdaManagedInstancesCapacityProviderConfig: Match.objectLike({
        PerExecutionEnvironmentMaxConcurrency: 16,
        ExecutionEnvironmentMemoryGiBPerVCpu: 2,
      }),
    },
    Environment: { Variables: Match.objectLike({ MAX_CONCURRENT: '16' }) },
  });
  template.hasResourceProperties('AWS::Lambda::Version', {
    FunctionScalingConfig: { MinExecutionEnvironments: 1, MaxExecutionEnvironments: 5 },
  });
  template.allResourcesProperties('AWS::EC2::SecurityGroup', { SecurityGroupIngress: Match.absent() });
  defaults.resourceCountIs('AWS::Lambda::CapacityProvider', 0);
  expect(() => servingOf({ managedInstances: {} })).toThrow(/serving\.memoryMb: a vCPU of managedInstances has 2 GB/);
  expect(() => servingOf({ memoryMb: 4096, package: 'image', managedInstances: {} })).toThrow(/set package to zip/);
  expect(() => servingOf({ memoryMb: 4096, reservedConcurrency: 3, managedInstances: {} })).toThrow(
    /reservedConcurrency: managedInstances have maxEnvironments/,
  );
});

test('what the function can do besides is passed on', () => {
  const layerArn = 'arn:aws:lambda:eu-west-1:123456789012:layer:collector:7';
  const key = 'A'.repeat(124);
  const template = servingOf({
    ...{ pinnedVersion: 'tides/1', trustedKeys: [key], logPrompts: true, logLevel: 'debug', provisionedConcurrency: 2 },
    openTelemetry: { endpoint: 'http://127.0.0.1:4318', layerArn },
  });
  template.hasResourceProperties('AWS::Lambda::Function', {
    Layers: [layerArn],
    Environment: {
      Variables: Match.objectLike({
        ...{ MODEL_VERSION: 'tides/1', TRUSTED_KEYS: key, LOG_PROMPTS: 'true', RUST_LOG: 'debug' },
        OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318',
      }),
    },
  });
  template.hasResourceProperties('AWS::Lambda::Alias', {
    ProvisionedConcurrencyConfig: { ProvisionedConcurrentExecutions: 2 },
  });
});

describe('the REST API', () => {
  test('streams to the alias for as long as a request may take', () => {
    servingOf({ apiKey: null }).allResourcesProperties('AWS::ApiGateway::Method', {
      HttpMethod: 'ANY',
      ApiKeyRequired: false,
      Integration: {
        Type: 'AWS_PROXY',
        ResponseTransferMode: 'STREAM',
        TimeoutInMillis: 61_000,
        Uri: { 'Fn::Join': ['', Match.arrayWith([Match.objectLike({ Ref: Match.stringLikeRegexp('^Live') }), '/response-streaming-invocations'])] },
      },
    });
    servingOf({ apiKey: null }).resourceCountIs('AWS::ApiGateway::Method', 2);
  });

  test('does not stream if it is not to', () => {
    const template = servingOf({ streaming: false, timeLimitSeconds: 28 });
    template.allResourcesProperties('AWS::ApiGateway::Method', {
      Integration: { ResponseTransferMode: Match.absent(), TimeoutInMillis: 29_000 },
    });
    template.hasResourceProperties('AWS::Lambda::Function', {
      Environment: { Variables: Match.objectLike({ RESPONSE_MODE: 'buffered' }) },
    });
  });

  test('throttles, logs access, and logs no prompt', () => {
    const template = servingOf({ throttle: { rate: 2, burst: 3 } });
    template.hasResourceProperties('AWS::ApiGateway::Stage', {
      StageName: 'api',
      AccessLogSetting: { DestinationArn: Match.anyValue(), Format: Match.not(Match.stringLikeRegexp('body|payload')) },
      MethodSettings: [
        Match.objectLike({ ThrottlingRateLimit: 2, ThrottlingBurstLimit: 3, DataTraceEnabled: false }),
      ],
    });
  });

  test('asks for a key where one is wanted, but not for preflight requests', () => {
    const template = servingOf({ apiKey: { names: ['first', 'second'], requestsPerDay: 50 } });
    template.hasResourceProperties('AWS::ApiGateway::UsagePlan', { Quota: { Limit: 50, Period: 'DAY' } });
    template.resourceCountIs('AWS::ApiGateway::UsagePlanKey', 2);
    // API Gateway makes the values, which no template shows.
    template.allResourcesProperties('AWS::ApiGateway::ApiKey', { Value: Match.absent() });
    expect(Object.keys(template.findOutputs('*'))).toEqual(expect.arrayContaining(['ShowKeyfirst', 'ShowKeysecond']));
    const methods = Object.values(template.findResources('AWS::ApiGateway::Method'));
    const asked = methods.map(({ Properties }) => [Properties.HttpMethod, Properties.ApiKeyRequired ?? false]);
    const open = OPEN_ROUTES.map(() => ['ANY', false]);
    expect(asked.toSorted()).toEqual([...open, ['ANY', true], ['ANY', true], ['OPTIONS', false], ['OPTIONS', false]]);
    // Of the default there is one, and `null` is none.
    defaults.resourceCountIs('AWS::ApiGateway::ApiKey', 1);
    servingOf({ apiKey: null }).resourceCountIs('AWS::ApiGateway::ApiKey', 0);
  });

  test('has open routes for checks and documentation, those of the function, beside a key', () => {
    const open = readFileSync(join(PROJECT_FOLDER, '../functions/generate/src/http/auth.rs'), 'utf8');
    const paths = [.../OPEN_PATHS: .+ = \[(.+)\]/.exec(open)![1]!.matchAll(/"\/(.+?)"/g)].map(([, path]) => path);
    expect(OPEN_ROUTES.filter((route) => !route.includes('{'))).toEqual(paths);
    const resources = Object.values(defaults.findResources('AWS::ApiGateway::Resource'));
    const parts = resources.map(({ Properties }) => Properties.PathPart);
    expect(parts.toSorted()).toEqual(['docs', 'health', 'openapi.json', 'ready', '{proxy+}', '{proxy+}']);
  });

  test('leaves the role with which API Gateway writes logs alone if the account has one', () => {
    defaults.resourceCountIs('AWS::ApiGateway::Account', 1);
    servingOf({ apiGatewayLogRole: 'existing' }).resourceCountIs('AWS::ApiGateway::Account', 0);
  });

  test('has a firewall where one is wanted', () => {
    const template = servingOf({ waf: { requestsPer5Minutes: 100 } });
    template.resourceCountIs('AWS::WAFv2::WebACLAssociation', 1);
    template.hasResourceProperties('AWS::WAFv2::WebACL', {
      Scope: 'REGIONAL',
      Rules: Match.arrayWith([
        Match.objectLike({
          Action: { Block: {} },
          Statement: { RateBasedStatement: { AggregateKeyType: 'IP', Limit: 100, EvaluationWindowSec: 300 } },
        }),
      ]),
    });
    defaults.resourceCountIs('AWS::WAFv2::WebACL', 0);
  });

  test('lets pages of the one origin read its own errors', () => {
    const template = servingOf({ corsOrigins: ['https://a.example'] });
    template.resourceCountIs('AWS::ApiGateway::GatewayResponse', 2);
    template.allResourcesProperties('AWS::ApiGateway::GatewayResponse', {
      ResponseParameters: { 'gatewayresponse.header.Access-Control-Allow-Origin': "'https://a.example'" },
    });
    servingOf({ corsOrigins: ['https://a.example', 'https://b.example'] }).resourceCountIs(
      'AWS::ApiGateway::GatewayResponse',
      0,
    );
  });
});

test('a function URL takes the place of the REST API', () => {
  const template = servingOf({ endpoint: 'function-url', apiKey: null });
  template.resourceCountIs('AWS::ApiGateway::RestApi', 0);
  template.hasResourceProperties('AWS::Lambda::Url', { AuthType: 'NONE', InvokeMode: 'RESPONSE_STREAM', Qualifier: 'live' });
  template.hasResourceProperties('AWS::Lambda::Function', {
    Environment: { Variables: Match.objectLike({ AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH: Match.absent() }) },
  });
  // Both are needed since October 2025.
  for (const Action of ['lambda:InvokeFunctionUrl', 'lambda:InvokeFunction']) {
    template.hasResourceProperties('AWS::Lambda::Permission', { Action, Principal: '*' });
  }
});
