/** Updates of a deployed stage: settings change in both directions, and CloudFormation refuses nothing. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { SettingsInput } from '../settings.ts';
import { STACKS, stackName } from '../lib/names.ts';
import { type StackName, synthesize } from './support.ts';
import { type CreateOnly, createOnly, refused, type Templates } from './updates.ts';

const keys = { apiKeySha256: ['a'.repeat(64)] };
const schedule = { cron: '0 3 ? * SUN *', timeZone: 'Europe/Copenhagen' };

const CHANGES: Record<string, [SettingsInput, SettingsInput]> = {
  'serving.endpoint': [{}, { serving: { endpoint: 'function-url', ...keys } }],
  'serving.package': [{}, { serving: { package: 'image' } }],
  'serving.package with a canary': [{ serving: { canary: {} } }, { serving: { canary: {}, package: 'image' } }],
  'both of them': [{}, { serving: { endpoint: 'function-url', package: 'image', ...keys } }],
  'serving.compute': [{}, { serving: { compute: 'ecs', package: 'image', ...keys } }],
  'serving.managedInstances': [{ serving: { memoryMb: 4096 } }, { serving: { memoryMb: 4096, managedInstances: {} } }],
  'serving.apiKey': [{ serving: { apiKey: null } }, { serving: { apiKey: {} } }],
  'serving.canary': [{}, { serving: { canary: {} } }],
  'serving.waf': [{}, { serving: { waf: {} } }],
  'serving.challenger': [{}, { serving: { challenger: {} } }],
  'storage.prune': [{}, { storage: { prune: schedule } }],
  'training.compute': [{}, { training: { compute: 'ec2', gpus: 1 } }],
  'training.schedule': [{}, { training: { schedule } }],
  'alarms.modelAgeDays': [{}, { alarms: { modelAgeDays: 8 } }],
  'the page': [{}, { site: { directory: 'no/such/folder' } }],
};

/** Made once: most changes begin with the defaults. */
const templates: Record<string, ReturnType<typeof synthesize>> = {};

/** Whether cfn-lint is there, which scripts/test_infra.sh installs: its schemas say what is replaced. */
const hasSchemas = createOnly([]) !== undefined;

describe.each(Object.entries(CHANGES))('a change of %s', (_, [left, right]) => {
  let one: Templates;
  let other: Templates;
  let fixed: CreateOnly | undefined;
  beforeAll(() => {
    [one, other] = [templatesOf(left), templatesOf(right)];
    const resources = [one, other].flatMap((templates) => Object.values(templates).flatMap((it) => Object.values(it.Resources)));
    const types = new Set(resources.map(({ Type }) => Type).filter((type) => type.startsWith('AWS::')));
    fixed = createOnly([...types]);
  });

  test('changes something', () => expect(one).not.toEqual(other));
  test('leaves what other stacks refer to', () => {
    expect(refused(one, other)).toEqual([]);
    expect(refused(other, one)).toEqual([]);
  });
  test.runIf(hasSchemas)('replaces what cannot be changed, and nothing by its namesake', () => {
    expect(fixed?.['AWS::SNS::Topic']).toContain('TopicName');
    expect(refused(one, other, fixed)).toEqual([]);
    expect(refused(other, one, fixed)).toEqual([]);
  });
});

test('the packages of a function are functions of their own', () => {
  const functionsOf = (input: SettingsInput) =>
    Object.entries(synthesize(input).serving.findResources('AWS::Lambda::Function')).map(([id]) => id);
  const [zip, image] = [functionsOf({}), functionsOf({ serving: { package: 'image' } })];
  expect(zip).toHaveLength(1);
  expect(image).toHaveLength(1);
  expect(zip).not.toEqual(image);
});

describe('refused is', () => {
  const bucket = (Properties = {}) => ({ Type: 'AWS::S3::Bucket', Properties });
  const empty = { Resources: {} };
  const exporting = (Value: string) => ({ Resources: {}, Outputs: { Url: { Value, Export: { Name: 'url' } } } });
  const importing = { Resources: { Page: bucket({ Url: { 'Fn::ImportValue': 'url' } }) } };
  const fixed = { 'AWS::S3::Bucket': ['BucketName', 'Kind'] };

  test('an export that another stack imports, and that is gone or another', () => {
    const before = { Serving: exporting('a'), Site: importing };
    for (const Serving of [empty, exporting('b')]) {
      expect(refused(before, { Serving, Site: empty })).toEqual(['Serving changes the export url, which Site imports']);
    }
    expect(refused(before, { Serving: exporting('a'), Site: empty })).toEqual([]);
  });

  test('an output that is not there, when it is read', () => {
    const StackName = 'Serving';
    const Site = { Resources: { Page: bucket({ Url: { 'Fn::GetStackOutput': { StackName, OutputName: 'Url' } } }) } };
    expect(refused({}, { Site })).toEqual(['Site reads the output Url of Serving, which has none']);
    expect(refused({}, { Serving: exporting('a'), Site })).toEqual([]);
  });

  test('another type, a lost bucket, and a name that is taken', () => {
    const one = (resource: object) => ({ Storage: { Resources: { A: resource } } }) as Templates;
    expect(refused(one(bucket()), one({ Type: 'AWS::SQS::Queue' }))).toHaveLength(1);
    expect(refused(one({ ...bucket(), DeletionPolicy: 'Retain' }), { Storage: empty })).toHaveLength(1);
    const [red, blue] = [bucket({ BucketName: 'x', Kind: 'red' }), bucket({ BucketName: 'x', Kind: 'blue' })];
    expect(refused(one(red), one(blue), fixed)).toEqual(['Storage: A is replaced by a change of Kind, by one of the same name']);
    expect(refused(one(red), { Storage: { Resources: { B: blue } } }, fixed)).toEqual([
      'Storage: B has the name that A has until it is deleted',
    ]);
    expect(refused(one(bucket({ Kind: 'red' })), one(bucket({ Kind: 'blue' })), fixed)).toEqual([]);
  });
});

/** In the order in which they are deployed. */
function templatesOf(input: SettingsInput): Templates {
  const key = JSON.stringify(input);
  const made = (templates[key] ??= synthesize(input));
  const name = (stack: (typeof STACKS)[number]) => stack.toLowerCase() as StackName;
  return Object.fromEntries(
    STACKS.filter((stack) => made[name(stack)]).map((stack) => [stackName('test', stack), made[name(stack)].toJSON() as never]),
  );
}
