/**
 * Storage: buckets for models and corpora, repositories for container images. All of it outlives the stack, unless the
 * stage is disposable.
 */
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
  readonly artifacts: s3.IBucket;
  /** Texts to train on. */
  readonly corpus: s3.IBucket;
  /** Access logs of the buckets. A disposable stage has none: those that come after its end would keep the bucket. */
  readonly accessLogs?: s3.IBucket;
  /** Images of `training/Dockerfile`. */
  readonly trainingImages: ecr.IRepository;
  /** Images of `functions/generate/Dockerfile`. */
  readonly functionImages: ecr.IRepository;

  private readonly disposable: boolean;

  constructor(scope: Construct, id: string, props: StorageStackProps) {
    super(scope, id, props);
    const { settings } = props;
    const adopt = settings.adopt ?? {};
    this.disposable = settings.disposable;

    if (!this.disposable) {
      this.accessLogs = this.bucket('AccessLogs', {
        lifecycleRules: [{ expiration: Duration.days(settings.accessLogDays) }],
      });
    }
    const always: s3.LifecycleRule = {
      abortIncompleteMultipartUploadAfter: Duration.days(1),
      noncurrentVersionExpiration: Duration.days(settings.oldVersionsDays),
      expiredObjectDeleteMarker: true,
    };
    this.artifacts = this.keptBucket('Artifacts', adopt.artifacts, [
      always,
      // Training may delete nothing, so what it no longer needs is cleaned up here.
      {
        prefix: 'checkpoints/',
        expiration: Duration.days(settings.checkpointDays),
        noncurrentVersionExpiration: Duration.days(1),
      },
    ]);
    this.corpus = this.keptBucket('Corpus', adopt.corpus, [always]);

    this.trainingImages = this.images('TrainingImages', adopt.trainingImages);
    this.functionImages = this.images('FunctionImages', adopt.functionImages);
    // An adopted one has it already.
    if (!adopt.functionImages) this.functionImages.grantPull(new iam.ServicePrincipal('lambda.amazonaws.com'));

    new CfnOutput(this, 'ModelStore', { value: `s3://${this.artifacts.bucketName}` });
    new CfnOutput(this, 'CorpusBucket', { value: this.corpus.bucketName });
    new CfnOutput(this, 'TrainingRepository', { value: this.trainingImages.repositoryUri });
    new CfnOutput(this, 'FunctionRepository', { value: this.functionImages.repositoryUri });
  }

  /** A bucket whose objects can be restored, or the adopted one of this name. */
  private keptBucket(id: string, adopted: string | undefined, lifecycleRules: s3.LifecycleRule[]): s3.IBucket {
    if (adopted) return s3.Bucket.fromBucketName(this, id, adopted);
    const bucket = this.bucket(id, {
      versioned: true,
      lifecycleRules,
      ...(this.accessLogs && {
        serverAccessLogsBucket: this.accessLogs,
        serverAccessLogsPrefix: `${id.toLowerCase()}/`,
      }),
    });
    if (!this.disposable) denyDeletionOfVersions(bucket);
    return bucket;
  }

  private bucket(id: string, props: s3.BucketProps): s3.Bucket {
    const bucket = new s3.Bucket(this, id, {
      // S3's own keys cost nothing.
      encryption: s3.BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
      removalPolicy: this.removal,
      autoDeleteObjects: this.disposable,
      ...props,
    });
    // A bucket that stays is protected as before.
    bucket.policy?.applyRemovalPolicy(this.removal);
    return bucket;
  }

  private images(id: string, adopted: string | undefined): ecr.IRepository {
    if (adopted) return ecr.Repository.fromRepositoryName(this, id, adopted);
    return new ecr.Repository(this, id, {
      imageScanOnPush: true,
      removalPolicy: this.removal,
      emptyOnDelete: this.disposable,
      lifecycleRules: [{ description: 'the last images, to go back to', maxImageCount: 3 }],
    });
  }

  private get removal(): RemovalPolicy {
    return this.disposable ? RemovalPolicy.DESTROY : RemovalPolicy.RETAIN;
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
