/** Settings: defaults, stages, and refusals with the name of the setting. */
import { expect, test } from 'vitest';
import { GPU_TYPES } from '../settings/gpu-types.ts';
import { parseSettings, type SettingsInput, settingsOf, stages } from '../settings.ts';

test('every stage is valid', () => {
  for (const stage of Object.keys(stages)) expect(() => settingsOf(stage)).not.toThrow();
});

test('what is not set is as documented', () => {
  const settings = parseSettings('test', {});
  expect(settings.serving).toMatchObject({
    memoryMb: 1769,
    endpoint: 'rest-api',
    streaming: true,
    reservedConcurrency: null,
    throttle: { rate: 1, burst: 20 },
    apiKey: { names: ['first'], requestsPerDay: 1000 },
  });
  expect(settings.site).toEqual({ directory: 'site/dist', compare: [], domain: null });
  expect(settings.training).toMatchObject({ compute: 'fargate', spot: true, schedule: null });
});

test('a key is required unless somebody says that none is', () => {
  const apiKeyOf = (serving: SettingsInput['serving']) => parseSettings('test', { serving }).serving.apiKey;
  expect(apiKeyOf({ apiKey: null })).toBeNull();
  // The function asks for one.
  const apiKeySha256 = ['0'.repeat(64)];
  expect(apiKeyOf({ apiKeySha256 })).toBeNull();
  expect(apiKeyOf({ apiKeySha256, apiKey: {} })).not.toBeNull();
  expect(apiKeyOf({ endpoint: 'function-url', apiKeySha256 })).toBeNull();
  expect(apiKeyOf({ endpoint: 'function-url', apiKey: null })).toBeNull();
});

test('an unknown stage is named, with those that there are', () => {
  expect(() => settingsOf('staging')).toThrow('there is no stage staging in infra/settings.ts, which has dev, prod');
  expect(() => settingsOf('toString')).toThrow('there is no stage toString');
});

const schedule = { cron: '0 3 ? * SUN *', timeZone: 'Europe/Copenhagen' };

test.each([
  ['account', { account: '1234' }],
  ['region', { region: 'Ireland' }],
  ['serving.memory', { serving: { memory: 1024 } }],
  ['serving.memoryMb', { serving: { memoryMb: 100 } }],
  ['serving.memoryMb', { serving: { memoryMb: '1024' } }],
  ['serving.corsOrigins.1', { serving: { corsOrigins: ['*', 'https://example.org/page'] } }],
  ['serving.apiKeySha256.0', { serving: { apiKeySha256: ['secret'] } }],
  ['serving.timeLimitSeconds', { serving: { streaming: false } }],
  ['serving.endpoint', { serving: { endpoint: 'function-url', apiKey: {} } }],
  ['serving.endpoint', { serving: { endpoint: 'function-url', apiKey: null, waf: {} } }],
  ['serving.apiKeySha256', { serving: { endpoint: 'function-url' } }],
  ['serving.temporaryStorageMb', { serving: { precision: 'float32' } }],
  ['serving.temporaryStorageMb', { serving: { package: 'image', temporaryStorageMb: 1024 } }],
  ['serving.pinnedVersion', { serving: { pinnedVersion: 'tides' } }],
  ['serving.pinnedVersion', { serving: { pinnedVersion: 'tides/1', challenger: {} } }],
  ['serving.trustedKeys.0', { serving: { trustedKeys: ['key'] } }],
  ['serving.apiKeySha256', { serving: { trustedKeys: Array(30).fill('A'.repeat(124)) } }],
  ['serving.openTelemetry.endpoint', { serving: { openTelemetry: { endpoint: 'collector' } } }],
  ['serving.provisionedConcurrency', { serving: { package: 'image', provisionedConcurrency: 1 } }],
  ['serving.reservedConcurrency', { serving: { reservedConcurrency: 1, provisionedConcurrency: 2 } }],
  ['serving.challenger', { serving: { challenger: { channel: 'live' } } }],
  ['serving.challenger.share', { serving: { challenger: { share: 0 } } }],
  ['serving.temporaryStorageMb', { serving: { challenger: {}, precision: 'w8' } }],
  ['serving.canary.minutes', { serving: { canary: { minutes: 1 } } }],
  ['storage.prune.keep', { storage: { prune: { ...schedule, keep: 0 } } }],
  ['storage.prune.cron', { storage: { prune: { ...schedule, cron: 'daily' } } }],
  ['serving.logDays', { serving: { logDays: 31 } }],
  ['training.corpusPrefix', { training: { corpusPrefix: 'books' } }],
  ['training.signingKey', { training: { signingKey: 'alias/models' } }],
  ['training.signingKey', { training: { signingKey: 'arn:aws:kms:eu-west-1:123456789012:alias/models' } }],
  [
    'training.signingKey',
    { region: 'eu-north-1', training: { signingKey: `arn:aws:kms:eu-west-1:123456789012:key/${'1'.repeat(36)}` } },
  ],
  ['training.storageGb', { training: { storageGb: 20 } }],
  ['training.storageGb', { training: { storageGb: 201 } }],
  ['training.storageGb', { training: { compute: 'ec2', storageGb: 29 } }],
  ['training.gpus', { training: { gpus: 1 } }],
  ['training.instanceTypes', { training: { compute: 'ec2', gpus: 1, instanceTypes: ['g6.xlarge', 'm7i.xlarge'] } }],
  ['training.instanceTypes', { training: { compute: 'ec2', gpus: 1, instanceTypes: ['g5g.xlarge'] } }],
  ['training.instanceTypes', { training: { compute: 'ec2', gpus: 4, instanceTypes: ['g6.xlarge'] } }],
  ['training.instanceTypes', { training: { compute: 'ec2', gpus: 1, memoryGb: 16, instanceTypes: ['g6.xlarge'] } }],
  ['training.instanceTypes', { training: { compute: 'ec2', gpus: 8, memoryGb: 1024, vcpus: 192, maxVcpus: 192, instanceTypes: ['p4d.24xlarge'] } }],
  ['training.instanceTypes.0', { training: { compute: 'ec2', instanceTypes: ['c7i'] } }],
  ['training.vcpus', { training: { vcpus: 3 } }],
  ['training.memoryGb', { training: { vcpus: 4, memoryGb: 31 } }],
  ['training.memoryGb', { training: { vcpus: 8, memoryGb: 18 } }],
  ['training.maxVcpus', { training: { vcpus: 16, memoryGb: 32, maxVcpus: 8 } }],
  ['training.schedule.cron', { training: { schedule: { ...schedule, cron: '0 3 * * *' } } }],
  ['training.schedule.timeZone', { training: { schedule: { ...schedule, timeZone: 'Europe/Nowhere' } } }],
  ['site.compare.0', { site: { compare: ['http://api.example.org'] } }],
  ['site.compare.0', { site: { compare: ["https://example.org; script-src 'unsafe-inline'"] } }],
  ['site.compare.0', { site: { compare: ['https://example.org/api?stage=dev'] } }],
  ['site.compare.1', { site: { compare: ['https://example.org:8443/api/', 'example.org'] } }],
  ['site.domain.certificateArn', { site: { domain: { name: 'llm.example.org', certificateArn: 'mine' } } }],
  ['storage.adopt.corpus', { storage: { adopt: { corpus: 's3://texts' } } }],
  ['storage.adopt.trainingImages', { storage: { adopt: { trainingImages: '1.dkr.ecr.eu-west-1.amazonaws.com/mine:3' } } }],
  ['storage.adopt', { storage: { adopt: {}, disposable: true } }],
  ['training.signingKey', { storage: { disposable: true }, training: { signingKey: 'create' } }],
  ['alarms.email', { alarms: { email: 'nobody' } }],
])('refuses %s', (path, input) => {
  const expected = path === 'serving.memory' ? 'test.serving: ' : `test.${path}: `;
  expect(() => parseSettings('test', input)).toThrow(`bad settings in infra/settings.ts:\n  ${expected}`);
});

test('all mistakes are told at once', () => {
  const input = { serving: { memoryMb: 1 }, training: { attempts: 0 } };
  expect(() => parseSettings('dev', input)).toThrow(/dev\.serving\.memoryMb: .+\n {2}dev\.training\.attempts: /);
});

test('a type without GPUs is refused with those that a job fits on', () => {
  const refused = (training: SettingsInput['training']) => () => parseSettings('test', { training });
  expect(refused({ compute: 'ec2', gpus: 1, instanceTypes: ['m7i.xlarge'] })).toThrow(
    'm7i.xlarge has no GPU that gpt can use; expected 1 GPU, 4 vCPUs and more than 8 GB of memory, such as g6.xlarge, ' +
      'g5.xlarge, g6e.xlarge',
  );
  expect(refused({ compute: 'ec2', gpus: 1, memoryGb: 16, instanceTypes: ['g5.xlarge'] })).toThrow(
    'g5.xlarge has 1 GPU, 4 vCPUs and 16 GB; expected 1 GPU, 4 vCPUs and more than 16 GB of memory, such as ' +
      'g6.2xlarge, g5.2xlarge, g6e.xlarge',
  );
});

test('all types with GPUs that are listed can be set', () => {
  for (const type of Object.keys(GPU_TYPES)) {
    const instanceTypes = [type];
    const [gpus] = GPU_TYPES[type]!;
    const { training } = parseSettings('test', { training: { compute: 'ec2', gpus, instanceTypes } });
    expect(training.instanceTypes).toEqual(instanceTypes);
  }
});
