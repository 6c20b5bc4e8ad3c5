/** IAM policies: each role has exactly the rights that are listed here. */
import type { Template } from 'aws-cdk-lib/assertions';
import { describe, expect, test } from 'vitest';
import { allStatements, listed, readable, statementsOf, summary, synthesize } from './support.ts';

const schedule = { cron: '0 3 ? * SUN *', timeZone: 'Europe/Copenhagen' };
const templates = synthesize({
  storage: { prune: schedule },
  serving: { canary: {} },
  training: { schedule, corpusPrefix: 'texts/' },
  alarms: { modelAgeDays: 8 },
});

const rightsOf = (template: Template, role: string) => statementsOf(template, role).map(summary);
const logsOf = (log: string) => ({ actions: ['logs:CreateLogStream', 'logs:PutLogEvents'], resources: [`<${log}>`] });

test('serving reads models and channels, and writes its log', () => {
  expect(rightsOf(templates.serving, 'GenerateRole')).toEqual([
    logsOf('FunctionLog'),
    { actions: ['s3:GetObject'], resources: ['<Artifacts>/channels/*', '<Artifacts>/models/*'] },
    // So that a channel that is not there is "not found" and not "denied".
    { actions: ['s3:ListBucket'], resources: ['<Artifacts>'] },
  ]);
});

test('training reads texts, publishes, and deletes nothing', () => {
  expect(rightsOf(templates.training, 'JobRole')).toEqual([
    { actions: ['s3:GetObject'], resources: ['<Corpus>/texts/*'] },
    { actions: ['s3:ListBucket'], resources: ['<Corpus>'] },
    {
      actions: ['s3:AbortMultipartUpload', 's3:GetObject', 's3:PutObject'],
      resources: ['<Artifacts>/channels/*', '<Artifacts>/checkpoints/*', '<Artifacts>/models/*'],
    },
    { actions: ['s3:ListBucket'], resources: ['<Artifacts>'] },
  ]);
  const texts = statementsOf(templates.training, 'JobRole').find(({ Sid }) => Sid === 'ListTexts');
  expect(texts?.Condition).toEqual({ StringLike: { 's3:prefix': 'texts/*' } });
});

describe('the key that signs', () => {
  const arn = 'arn:aws:kms:eu-west-1:123456789012:key/12345678-1234-1234-1234-123456789012';
  test.each([
    [arn, arn],
    ['create', '<SigningKey>'],
  ])('if it is %s, is the only one that training may use, and only to sign', (signingKey, key) => {
    const { training } = synthesize({ training: { signingKey } });
    const withKey = rightsOf(training, 'JobRole').filter(({ actions }) => actions.some((action) => /^kms:/.test(action)));
    expect(withKey).toEqual([{ actions: ['kms:GetPublicKey', 'kms:Sign'], resources: [key] }]);
    const others = allStatements(training).filter(({ Action, Resource }) =>
      listed(Action).some((action) => action.startsWith('kms:')) && listed(Resource).map(readable).includes('*'),
    );
    // The policy of a new key leaves it to the account's own policies, as KMS does where none is given.
    const account = { AWS: { 'Fn::Join': ['', ['arn:', { Ref: 'AWS::Partition' }, ':iam::', { Ref: 'AWS::AccountId' }, ':root']] } };
    expect(others.map(({ Principal }) => Principal)).toEqual(signingKey === 'create' ? [account] : []);
  });
});

test('pruning reads what versions there are and which are needed, and deletes models', () => {
  expect(rightsOf(templates.training, 'PruningRole')).toEqual([
    { actions: ['s3:ListBucket'], resources: ['<Artifacts>'] },
    { actions: ['s3:GetObject'], resources: ['<Artifacts>/channels/*', '<Artifacts>/models/*/manifest.json'] },
    { actions: ['s3:DeleteObject'], resources: ['<Artifacts>/models/*'] },
  ]);
});

test.each([
  ['RetrainingRole', ['<ComputeQueue>', '<JobDefinition>']],
  ['PruningScheduleRole', ['<PruningDefinition>', '<PruningQueue>']],
])('the schedule with the role %s submits one job definition to one queue', (role, resources) => {
  expect(rightsOf(templates.training, role)).toEqual([{ actions: ['batch:SubmitJob'], resources }]);
});

test.each(['Job', 'Pruning'])('the container of %s is started from one repository, and writes one log', (name) => {
  expect(rightsOf(templates.training, `${name}ContainerExecutionRole`)).toEqual([
    logsOf('Log'),
    {
      actions: ['ecr:BatchCheckLayerAvailability', 'ecr:BatchGetImage', 'ecr:GetDownloadUrlForLayer'],
      resources: [expect.stringMatching(/^arn:.+:repository\/<TrainingImages>$/)],
    },
    { actions: ['ecr:GetAuthorizationToken'], resources: ['*'] },
  ]);
});

test('what measures the age of the model reads the channel', () => {
  expect(rightsOf(templates.observability, 'ModelAgeRole')).toEqual([
    logsOf('ModelAgeLog'),
    { actions: ['s3:GetObject'], resources: ['<Artifacts>/channels/live.json'] },
  ]);
});

describe.each(Object.entries(templates))('in the stack %s', (name, template) => {
  const allowed = allStatements(template).filter(({ Effect }) => Effect === 'Allow');
  const mayDelete: Record<string, string[]> = {
    // BucketDeployment makes the bucket of the pages equal to a folder, and that bucket alone.
    site: ['s3:DeleteObject*'],
    // Pruning, see above.
    training: ['s3:DeleteObject'],
  };

  test('nothing else deletes', () => {
    const deleting = allowed.flatMap(({ Action }) => listed(Action)).filter((action) => /delete|^s3:\*|^\*/i.test(action));
    expect(deleting).toEqual(mayDelete[name] ?? []);
  });

  test('everything is meant for something in particular', () => {
    const everywhere = allowed.filter(({ Resource }) => Resource !== undefined && listed(Resource).map(readable).includes('*'));
    const justified: Record<string, string[]> = {
      // AWS knows no resource for it. One for training, one for pruning.
      training: ['ecr:GetAuthorizationToken', 'ecr:GetAuthorizationToken'],
      // The library's own function; it invalidates what it has uploaded.
      site: ['cloudfront:CreateInvalidation', 'cloudfront:GetInvalidation'],
    };
    expect(everywhere.flatMap(({ Action }) => listed(Action)).toSorted()).toEqual(justified[name] ?? []);
  });
});

test('nobody from outside publishes to the topic of the alarms', () => {
  const publishing = allStatements(templates.observability).filter(
    ({ Effect, Action }) => Effect === 'Allow' && listed(Action).includes('sns:Publish'),
  );
  const principals = publishing.flatMap(({ Principal }) => listed((Principal as { Service: string[] }).Service));
  expect(principals.toSorted()).toEqual(['budgets.amazonaws.com', 'cloudwatch.amazonaws.com', 'events.amazonaws.com']);
});
