/** Storage: buckets for models and corpora, repositories for container images. All of it outlives the stack. */
import { CfnOutput, Duration, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import * as ecr from 'aws-cdk-lib/aws-ecr';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as s3 from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import type { Settings } from '../../settings.ts';

export interface StorageStackProps extends StackProps {
  readonly settings: Settings['storage'];
}

export class StorageStack extends Stack {
  /** The model store (a model registry): `models/`, `channels/` (aliases of versions), `checkpoints/`. */
  readonly artifacts: s3.Bucket;
  /** Texts to train on. */
  readonly corpus: s3.Bucket;
  /** Access logs of the buckets. */
  readonly accessLogs: s3.Bucket;
  /** Images of `training/Dockerfile`. */
  readonly trainingImages: ecr.Repository;
  /** Images of `functions/generate/Dockerfile`. */
  readonly functionImages: ecr.Repository;

  constructor(scope: Construct, id: string, props: StorageStackProps) {
    super(scope, id, props);
    const { settings } = props;

    this.accessLogs = this.bucket('AccessLogs', {
      lifecycleRules: [{ expiration: Duration.days(settings.accessLogDays) }],
    });
    const kept = {
      serverAccessLogsBucket: this.accessLogs,
      versioned: true,
    };
    const always: s3.LifecycleRule = {
      abortIncompleteMultipartUploadAfter: Duration.days(1),
      noncurrentVersionExpiration: Duration.days(settings.oldVersionsDays),
      expiredObjectDeleteMarker: true,
    };
    this.artifacts = this.bucket('Artifacts', {
      ...kept,
      serverAccessLogsPrefix: 'artifacts/',
      lifecycleRules: [
        always,
        // Training may delete nothing, so what it no longer needs is cleaned up here.
        {
          prefix: 'checkpoints/',
          expiration: Duration.days(settings.checkpointDays),
          noncurrentVersionExpiration: Duration.days(1),
        },
      ],
    });
    this.corpus = this.bucket('Corpus', { ...kept, serverAccessLogsPrefix: 'corpus/', lifecycleRules: [always] });
    for (const bucket of [this.artifacts, this.corpus]) denyDeletionOfVersions(bucket);

    this.trainingImages = this.images('TrainingImages');
    this.functionImages = this.images('FunctionImages');
    this.functionImages.grantPull(new iam.ServicePrincipal('lambda.amazonaws.com'));

    new CfnOutput(this, 'ModelStore', { value: `s3://${this.artifacts.bucketName}` });
    new CfnOutput(this, 'CorpusBucket', { value: this.corpus.bucketName });
    new CfnOutput(this, 'TrainingRepository', { value: this.trainingImages.repositoryUri });
    new CfnOutput(this, 'FunctionRepository', { value: this.functionImages.repositoryUri });
  }

  private bucket(id: string, props: s3.BucketProps): s3.Bucket {
    return new s3.Bucket(this, id, {
      // S3's own keys cost nothing.
      encryption: s3.BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
      removalPolicy: RemovalPolicy.RETAIN,
      ...props,
    });
  }

  private images(id: string): ecr.Repository {
    return new ecr.Repository(this, id, {
      imageScanOnPush: true,
      removalPolicy: RemovalPolicy.RETAIN,
      lifecycleRules: [{ description: 'the last images, to go back to', maxImageCount: 3 }],
    });
  }
}

/**
 * Denies the deletion of object versions: a deleted object stays recoverable until the lifecycle rule, which
 * no policy binds, expires it. To empty a bucket sooner, an administrator removes this statement first.
 */
function denyDeletionOfVersions(bucket: s3.Bucket): void {
  bucket.addToResourcePolicy(
    new iam.PolicyStatement({
      sid: 'NobodyDeletesVersions',
      effect: iam.Effect.DENY,
      principals: [new iam.AnyPrincipal()],
      actions: ['s3:DeleteObjectVersion'],
      resources: [bucket.arnForObjects('*')],
    }),
  );
}
