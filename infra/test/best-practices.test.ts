/** cdk-nag's AWS Solutions rules: no unexplained findings, and a careless change would be found. */
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { PolicyStatement, type Role } from 'aws-cdk-lib/aws-iam';
import { expect, test } from 'vitest';
import type { SettingsInput } from '../settings.ts';
import { addTestStacks, newApp, synthesize, synthesizeStage } from './support.ts';

const schedule = { cron: '0 3 ? * SUN *', timeZone: 'UTC' };
const variants: Record<string, SettingsInput> = {
  'a function URL': { serving: { endpoint: 'function-url', apiKey: null } },
  'an image': { serving: { package: 'image' } },
  'managed instances': { serving: { memoryMb: 4096, managedInstances: {} } },
  'a service': { serving: { compute: 'ecs', package: 'image', apiKeySha256: ['a'.repeat(64)] } },
  'a key and a firewall': { serving: { apiKey: {}, waf: {} } },
  'a GPU': { training: { compute: 'ec2', gpus: 1, instanceTypes: ['g6.xlarge'] } },
  'what an earlier deployment left': { storage: { adopt: { artifacts: 'models', corpus: 'texts' }, prune: schedule } },
  'a disposable stage': { storage: { disposable: true } },
  'everything that is watched': { alarms: { email: 'ops@example.org', modelAgeDays: 3 } },
};

test.each(['dev', 'prod'])('stage %s has no finding without a reason', (stage) => {
  expect(() => synthesizeStage(stage)).not.toThrow();
});

test.each(Object.entries(variants))('%s has no finding without a reason', (_, input) => {
  expect(() => synthesize(input)).not.toThrow();
});

test('a bucket without encryption in transit would be found', () => {
  const app = newApp();
  new Bucket(addTestStacks(app, {}).storage, 'Careless');
  expect(() => app.synth()).toThrow('AwsSolutions-S10');
});

test('one more wildcard in a role would be found', () => {
  const app = newApp();
  const { serving, storage } = addTestStacks(app, {});
  (serving.node.findChild('GenerateRole') as Role).addToPolicy(
    new PolicyStatement({ actions: ['s3:GetObject'], resources: [storage.artifacts.arnForObjects('checkpoints/*')] }),
  );
  expect(() => app.synth()).toThrow(/AwsSolutions-IAM5.+checkpoints/);
});
