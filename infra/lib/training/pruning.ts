/** Pruning of the model store: `gpt prune` on a schedule, with the only role that may delete. */
import { Duration, Size, TimeZone } from 'aws-cdk-lib';
import * as batch from 'aws-cdk-lib/aws-batch';
import type * as ecr from 'aws-cdk-lib/aws-ecr';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as logs from 'aws-cdk-lib/aws-logs';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import * as scheduler from 'aws-cdk-lib/aws-scheduler';
import { Construct } from 'constructs';
import type { Settings } from '../../settings.ts';
import { submitOnSchedule } from './submit-on-schedule.ts';
import type { TrainingCompute } from './training-compute.ts';

export interface PruningProps {
  readonly settings: NonNullable<Settings['storage']['prune']>;
  readonly artifacts: s3.IBucket;
  readonly images: ecr.IRepository;
  readonly imageTag: string;
  readonly network: TrainingCompute['network'];
  readonly scheduleGroup: scheduler.IScheduleGroup;
  readonly log: logs.ILogGroup;
}

export class Pruning extends Construct {
  readonly queue: batch.JobQueue;

  constructor(scope: Construct, id: string, props: PruningProps) {
    super(scope, id);
    const { settings } = props;
    // Its own queue: it waits for no training, and needs no instance where these run on EC2.
    const computeEnvironment = new batch.FargateComputeEnvironment(this, 'Fargate', { ...props.network, maxvCpus: 1 });
    this.queue = new batch.JobQueue(this, 'Queue', { computeEnvironments: [{ computeEnvironment, order: 1 }] });
    const definition = new batch.EcsJobDefinition(this, 'Definition', {
      container: new batch.EcsFargateContainerDefinition(this, 'Container', {
        image: ecs.ContainerImage.fromEcrRepository(props.images, props.imageTag),
        // The least that Fargate has, for which libtorch would be too large if it were all read.
        cpu: 0.25,
        memory: Size.mebibytes(1024),
        command: ['gpt', 'prune', '--keep', String(settings.keep)],
        environment: { MODEL_STORE: `s3://${props.artifacts.bucketName}` },
        jobRole: this.role(props.artifacts),
        logging: ecs.LogDriver.awsLogs({ logGroup: props.log, streamPrefix: 'prune' }),
        assignPublicIp: true,
        fargateCpuArchitecture: ecs.CpuArchitecture.X86_64,
        fargateOperatingSystemFamily: ecs.OperatingSystemFamily.LINUX,
      }),
      // It goes on where an attempt before it ended.
      retryAttempts: 3,
      timeout: Duration.hours(1),
      propagateTags: true,
    });
    submitOnSchedule(this, 'Schedule', {
      description: 'Deletes versions of models that no channel needs',
      group: props.scheduleGroup,
      schedule: scheduler.ScheduleExpression.expression(`cron(${settings.cron})`, TimeZone.of(settings.timeZone)),
      name: 'pruning',
      queue: this.queue,
      definition,
    });
  }

  private role(artifacts: s3.IBucket): iam.Role {
    const role = new iam.Role(this, 'Role', {
      assumedBy: new iam.ServicePrincipal('ecs-tasks.amazonaws.com'),
      description: 'What pruning may do',
    });
    for (const statement of [
      new iam.PolicyStatement({ sid: 'FindModels', actions: ['s3:ListBucket'], resources: [artifacts.bucketArn] }),
      new iam.PolicyStatement({
        sid: 'ReadWhatIsNeeded',
        actions: ['s3:GetObject'],
        resources: ['channels/*', 'models/*/manifest.json'].map((keys) => artifacts.arnForObjects(keys)),
      }),
      // Never a version of an object, so that all of it can be restored for storage.oldVersionsDays.
      new iam.PolicyStatement({
        sid: 'DeleteModels',
        actions: ['s3:DeleteObject'],
        resources: [artifacts.arnForObjects('models/*')],
      }),
    ]) {
      role.addToPolicy(statement);
    }
    return role;
  }
}
