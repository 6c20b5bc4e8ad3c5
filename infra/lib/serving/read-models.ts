/** Rights of whatever serves: it reads models and the channels that name them, and writes nothing. */
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as s3 from 'aws-cdk-lib/aws-s3';

export function mayReadModels(artifacts: s3.IBucket): iam.PolicyStatement[] {
  return [
    new iam.PolicyStatement({
      sid: 'ReadModels',
      actions: ['s3:GetObject'],
      resources: [artifacts.arnForObjects('models/*'), artifacts.arnForObjects('channels/*')],
    }),
    new iam.PolicyStatement({
      // Without it, or with a condition on the prefix, S3 answers "denied" instead of "not found" for a channel that
      // does not exist yet.
      sid: 'FindModels',
      actions: ['s3:ListBucket'],
      resources: [artifacts.bucketArn],
    }),
  ];
}
