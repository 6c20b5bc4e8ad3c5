/** AWS Batch job definition of a training run: image, environment, retries. */
import { Duration, Size } from 'aws-cdk-lib';
import * as batch from 'aws-cdk-lib/aws-batch';
import type * as ecr from 'aws-cdk-lib/aws-ecr';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import type * as iam from 'aws-cdk-lib/aws-iam';
import type * as kms from 'aws-cdk-lib/aws-kms';
import type * as logs from 'aws-cdk-lib/aws-logs';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import type { Settings } from '../../settings.ts';

export interface TrainingJobProps {
  readonly settings: Settings['training'];
  readonly channel: string;
  readonly artifacts: s3.IBucket;
  readonly corpus: s3.IBucket;
  readonly images: ecr.IRepository;
  readonly role: iam.IRole;
  readonly log: logs.ILogGroup;
  /** Key that signs new versions, if they are signed. */
  readonly signingKey: kms.IKey | undefined;
}

/** Status reason when Fargate Spot reclaims a machine; that of EC2 begins with `Host EC2`. */
const FARGATE_SPOT_RECLAIMED = batch.Reason.custom({ onStatusReason: 'Your Spot Task was interrupted*' });

/** Exit code of `training/image/train.sh` after SIGTERM. Batch never tries a job again that somebody terminates. */
const STOPPED = batch.Reason.custom({ onExitCode: '143' });

export class TrainingJob extends Construct {
  readonly definition: batch.EcsJobDefinition;

  constructor(scope: Construct, id: string, props: TrainingJobProps) {
    super(scope, id);
    const { settings } = props;
    this.definition = new batch.EcsJobDefinition(this, 'Definition', {
      container: this.container(props),
      retryAttempts: settings.attempts,
      // The first match decides. Only a machine that is taken back is tried again: an error would come again, and so
      // would a refusal by the promotion gate (exit code 3).
      retryStrategies: [
        batch.RetryStrategy.of(batch.Action.RETRY, batch.Reason.SPOT_INSTANCE_RECLAIMED),
        batch.RetryStrategy.of(batch.Action.RETRY, FARGATE_SPOT_RECLAIMED),
        batch.RetryStrategy.of(batch.Action.RETRY, STOPPED),
        batch.RetryStrategy.of(batch.Action.EXIT, batch.Reason.custom({ onReason: '*' })),
      ],
      timeout: Duration.hours(settings.maxHours),
      // To the tasks, which costs are booked on.
      propagateTags: true,
    });
  }

  private container(props: TrainingJobProps): batch.IEcsContainerDefinition {
    const { settings } = props;
    const options = {
      image: ecs.ContainerImage.fromEcrRepository(props.images, settings.imageTag),
      cpu: settings.vcpus,
      memory: Size.gibibytes(settings.memoryGb),
      environment: environment(props),
      jobRole: props.role,
      logging: ecs.LogDriver.awsLogs({ logGroup: props.log, streamPrefix: 'train' }),
    };
    if (settings.compute === 'fargate') {
      return new batch.EcsFargateContainerDefinition(this, 'Container', {
        ...options,
        ...(settings.storageGb !== null && { ephemeralStorageSize: Size.gibibytes(settings.storageGb) }),
        assignPublicIp: true,
        fargateCpuArchitecture: ecs.CpuArchitecture.X86_64,
        fargateOperatingSystemFamily: ecs.OperatingSystemFamily.LINUX,
      });
    }
    return new batch.EcsEc2ContainerDefinition(this, 'Container', {
      ...options,
      ...(settings.gpus > 0 && { gpu: settings.gpus }),
      ...(settings.gpus > 1 && { linuxParameters: this.sharedMemory(settings.memoryGb) }),
    });
  }

  /** Processes of several GPUs share weights and gradients; Docker gives a container 64 MB for that. */
  private sharedMemory(memoryGb: number): batch.LinuxParameters {
    return new batch.LinuxParameters(this, 'Linux', { sharedMemorySize: Size.gibibytes(Math.ceil(memoryGb / 2)) });
  }
}

/** Environment of the image's entry point, `training/image/train.sh`. */
function environment(props: TrainingJobProps): Record<string, string> {
  const { settings, channel, artifacts, corpus, signingKey } = props;
  return {
    MODEL_STORE: `s3://${artifacts.bucketName}`,
    CORPUS: `s3://${corpus.bucketName}/${settings.corpusPrefix}`,
    PRESET: settings.preset,
    PROMOTE: channel,
    MARGIN: String(settings.margin),
    CHECKPOINT_EVERY_STEPS: String(settings.checkpointEverySteps),
    ...(settings.start === 'current' && { INIT: `channel:${channel}` }),
    // Not where it can, which is on the processor if something is wrong with the GPU.
    ...(settings.gpus > 0 && { DEVICE: 'cuda', DEVICES: String(settings.gpus) }),
    // What is not the tag of an image: models record it.
    ...(settings.imageTag.startsWith('sha256:') && { IMAGE_DIGEST: settings.imageTag }),
    ...(signingKey && { SIGNING_KEY: `awskms:${signingKey.keyArn}` }),
  };
}
