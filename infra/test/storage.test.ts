/** Storage stack: buckets, lifecycle rules, repositories. */
import { Match, type Template } from 'aws-cdk-lib/assertions';
import { describe, expect, test } from 'vitest';
import { statementsOf, summary, synthesize } from './support.ts';

const { storage } = synthesize({ storage: { oldVersionsDays: 11, checkpointDays: 5, accessLogDays: 60 } });
const buckets = storage.findResources('AWS::S3::Bucket');

describe('every bucket', () => {
  test.each(Object.entries(buckets))('%s is private, encrypted, and stays', (id, bucket) => {
    expect(bucket).toMatchObject({
      DeletionPolicy: 'Retain',
      UpdateReplacePolicy: 'Retain',
      Properties: {
        BucketEncryption: {
          ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }],
        },
        PublicAccessBlockConfiguration: {
          BlockPublicAcls: true,
          BlockPublicPolicy: true,
          IgnorePublicAcls: true,
          RestrictPublicBuckets: true,
        },
      },
    });
    storage.hasResource('AWS::S3::BucketPolicy', {
      // A bucket that stays is protected as before.
      DeletionPolicy: 'Retain',
      Properties: {
        Bucket: { Ref: id },
        PolicyDocument: {
          Statement: Match.arrayWith([
            Match.objectLike({
              Effect: 'Deny',
              Action: 's3:*',
              Principal: { AWS: '*' },
              Condition: { Bool: { 'aws:SecureTransport': 'false' } },
            }),
          ]),
        },
      },
    });
  });
});

test.each(['Artifacts', 'Corpus'])('of %s old versions go after their time, and only by the lifecycle', (name) => {
  const [id, bucket] = resource(name);
  expect(bucket.Properties.VersioningConfiguration).toEqual({ Status: 'Enabled' });
  expect(bucket.Properties.LifecycleConfiguration.Rules).toContainEqual({
    Status: 'Enabled',
    AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 },
    NoncurrentVersionExpiration: { NoncurrentDays: 11 },
    ExpiredObjectDeleteMarker: true,
  });
  storage.hasResourceProperties('AWS::S3::BucketPolicy', {
    Bucket: { Ref: id },
    PolicyDocument: {
      Statement: Match.arrayWith([
        {
          Sid: 'NobodyDeletesVersions',
          Effect: 'Deny',
          Principal: { AWS: '*' },
          Action: 's3:DeleteObjectVersion',
          Resource: { 'Fn::Join': ['', [{ 'Fn::GetAtt': [id, 'Arn'] }, '/*']] },
        },
      ]),
    },
  });
});

test('checkpoints go after their time, models and channels never', () => {
  const rules = resource('Artifacts')[1].Properties.LifecycleConfiguration.Rules;
  const expiring = rules.filter((rule: object) => 'ExpirationInDays' in rule);
  expect(expiring).toMatchObject([{ Prefix: 'checkpoints/', ExpirationInDays: 5 }]);
});

test('access is logged, and logs go after their time', () => {
  const [log, accessLogs] = resource('AccessLogs');
  expect(accessLogs.Properties.LifecycleConfiguration.Rules).toEqual([{ Status: 'Enabled', ExpirationInDays: 60 }]);
  for (const name of ['Artifacts', 'Corpus']) {
    expect(resource(name)[1].Properties.LoggingConfiguration.DestinationBucketName).toEqual({ Ref: log });
  }
});

test('images stay, and are scanned', () => {
  storage.resourceCountIs('AWS::ECR::Repository', 2);
  storage.allResources('AWS::ECR::Repository', {
    DeletionPolicy: 'Retain',
    Properties: Match.objectLike({ ImageScanningConfiguration: { ScanOnPush: true } }),
  });
});

test('what an earlier deployment left is used as it is', () => {
  const adopt = { artifacts: 'models-of-before', corpus: 'texts-of-before', trainingImages: 'jobs', functionImages: 'functions' };
  const { storage, serving, training } = synthesize({
    storage: { adopt },
    serving: { package: 'image' },
  });
  expect(Object.keys(storage.findResources('AWS::S3::Bucket'))).toEqual([expect.stringMatching(/^AccessLogs/)]);
  storage.resourceCountIs('AWS::ECR::Repository', 0);
  const outputs = storage.findOutputs('*');
  expect(outputs.ModelStore!.Value).toBe('s3://models-of-before');
  expect(outputs.CorpusBucket!.Value).toBe('texts-of-before');
  expect(JSON.stringify(outputs.TrainingRepository)).toContain('/jobs');
  const resources = (template: Template, role: string) =>
    statementsOf(template, role).flatMap((statement) => summary(statement).resources);
  expect(resources(serving, 'GenerateRole')).toContain('arn:<AWS::Partition>:s3:::models-of-before/models/*');
  expect(resources(training, 'JobRole')).toContain('arn:<AWS::Partition>:s3:::texts-of-before/*');
  expect(JSON.stringify(training.findResources('AWS::Batch::JobDefinition'))).toContain('/jobs:');
});

test('of a disposable stage nothing stays', () => {
  const templates = synthesize({ storage: { disposable: true } });
  const { storage, site } = templates;
  for (const type of ['AWS::S3::Bucket', 'AWS::S3::BucketPolicy', 'AWS::ECR::Repository']) {
    storage.allResources(type, { DeletionPolicy: 'Delete', UpdateReplacePolicy: 'Delete' });
  }
  storage.resourceCountIs('AWS::S3::Bucket', 2);
  storage.resourceCountIs('Custom::S3AutoDeleteObjects', 2);
  storage.allResourcesProperties('AWS::ECR::Repository', { EmptyOnDelete: true });
  // Who may empty them is not denied it.
  expect(JSON.stringify(storage.toJSON())).not.toContain('s3:DeleteObjectVersion');
  // Logs that come after its end would keep their bucket.
  for (const template of [storage, site]) {
    template.allResourcesProperties('AWS::S3::Bucket', { LoggingConfiguration: Match.absent() });
  }
  const retained = Object.values(templates).flatMap((template) => Object.values(template.toJSON().Resources as Record<string, any>));
  const types = retained.filter(({ DeletionPolicy }) => DeletionPolicy === 'Retain').map(({ Type }) => Type);
  // Other APIs of the account write their logs with it.
  expect(types).toEqual(['AWS::IAM::Role', 'AWS::ApiGateway::Account']);
});

function resource(name: string): [string, Record<string, any>] {
  const found = Object.entries(buckets).find(([id]) => new RegExp(`^${name}[0-9A-F]{8}$`).test(id));
  if (!found) throw new Error(`there is no bucket ${name}`);
  return found;
}
