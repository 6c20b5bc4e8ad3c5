/** Storage stack: buckets, lifecycle rules, repositories. */
import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, test } from 'vitest';
import { synthesize } from './support.ts';

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
    storage.hasResourceProperties('AWS::S3::BucketPolicy', {
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

function resource(name: string): [string, Record<string, any>] {
  const found = Object.entries(buckets).find(([id]) => new RegExp(`^${name}[0-9A-F]{8}$`).test(id));
  if (!found) throw new Error(`there is no bucket ${name}`);
  return found;
}
