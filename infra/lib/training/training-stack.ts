/** Training: a job of AWS Batch, submitted by hand or on a schedule. */
import { CfnOutput, Duration, RemovalPolicy, Stack, type StackProps, TimeZone } from 'aws-cdk-lib';
import type * as ecr from 'aws-cdk-lib/aws-ecr';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as kms from 'aws-cdk-lib/aws-kms';
import * as logs from 'aws-cdk-lib/aws-logs';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import * as scheduler from 'aws-cdk-lib/aws-scheduler';
import type { Construct } from 'constructs';
import type { Settings } from '../../settings.ts';
import { repositoryOf } from '../image-repository.ts';
import { Pruning } from './pruning.ts';
import { addSigningKey, mayUse } from './signing-key.ts';
import { submitOnSchedule } from './submit-on-schedule.ts';
import { TrainingCompute } from './training-compute.ts';
import { TrainingJob } from './training-job.ts';

export interface TrainingStackProps extends StackProps {
  readonly settings: Settings['training'];
  /** Pruning of the store, on which training has no influence. */
  readonly prune: Settings['storage']['prune'];
  /** Channel to promote new versions to. */
  readonly channel: string;
  readonly artifacts: s3.IBucket;
  readonly corpus: s3.IBucket;
  readonly images: ecr.IRepository;
}

export class TrainingStack extends Stack {
  /** Queues of all jobs: training, pruning. */
  readonly queueArns: string[];
  readonly corpusPrefix: string;
  readonly scheduleGroup: scheduler.ScheduleGroup;

  constructor(scope: Construct, id: string, props: TrainingStackProps) {
    super(scope, id, props);
    const { settings } = props;
    const log = new logs.LogGroup(this, 'Log', {
      retention: settings.logDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const { queue, network } = new TrainingCompute(this, 'Compute', { settings });
    const signingKey = addSigningKey(this, settings.signingKey);
    const role = this.jobRole(props, signingKey);
    const images = repositoryOf(this, props.images);
    const { definition } = new TrainingJob(this, 'Job', { ...props, images, role, log, signingKey });
    this.corpusPrefix = settings.corpusPrefix;
    this.queueArns = [queue.jobQueueArn];

    this.scheduleGroup = new scheduler.ScheduleGroup(this, 'Schedules', {
      removalPolicy: RemovalPolicy.DESTROY,
    });
    if (settings.schedule) {
      const { cron, timeZone, flexibleMinutes } = settings.schedule;
      submitOnSchedule(this, 'Retraining', {
        description: 'Trains again and, if the gate lets it pass, makes the new model live',
        group: this.scheduleGroup,
        schedule: scheduler.ScheduleExpression.expression(`cron(${cron})`, TimeZone.of(timeZone)),
        timeWindow: scheduler.TimeWindow.flexible(Duration.minutes(flexibleMinutes)),
        name: 'retraining',
        queue,
        definition,
      });
    }
    if (props.prune) {
      const pruning = new Pruning(this, 'Pruning', {
        ...props,
        settings: props.prune,
        images,
        imageTag: settings.imageTag,
        scheduleGroup: this.scheduleGroup,
        network,
        log,
      });
      this.queueArns.push(pruning.queue.jobQueueArn);
    }

    const submit = `aws batch submit-job --job-queue ${queue.jobQueueArn} --job-definition ${definition.jobDefinitionArn}`;
    new CfnOutput(this, 'Train', { value: `${submit} --job-name by-hand` });
    new CfnOutput(this, 'TrainPresets', {
      description: 'One job for each preset; each promotes to a channel of its own, sweep-PRESET',
      value:
        `${submit} --job-name sweep --array-properties size=2 ` +
        `--container-overrides '{"environment":[{"name":"PRESETS","value":"the-verdict books"}]}'`,
    });
  }

  /** Role of a job: reads texts; reads and writes models, channels and checkpoints; signs; deletes nothing. */
  private jobRole({ artifacts, corpus, settings }: TrainingStackProps, signingKey: kms.IKey | undefined): iam.Role {
    const role = new iam.Role(this, 'JobRole', {
      assumedBy: new iam.ServicePrincipal('ecs-tasks.amazonaws.com'),
      description: 'What a training job may do',
    });
    const prefix = settings.corpusPrefix;
    const store = ['models/*', 'channels/*', 'checkpoints/*'].map((keys) => artifacts.arnForObjects(keys));
    for (const statement of [
      new iam.PolicyStatement({
        sid: 'ReadTexts',
        actions: ['s3:GetObject'],
        resources: [corpus.arnForObjects(`${prefix}*`)],
      }),
      new iam.PolicyStatement({
        sid: 'ListTexts',
        actions: ['s3:ListBucket'],
        resources: [corpus.bucketArn],
        conditions: { StringLike: { 's3:prefix': `${prefix}*` } },
      }),
      new iam.PolicyStatement({
        sid: 'Publish',
        actions: ['s3:GetObject', 's3:PutObject', 's3:AbortMultipartUpload'],
        resources: store,
      }),
      new iam.PolicyStatement({
        // On the whole bucket: with a condition on the prefix, S3 answers "denied" instead of "not found" for
        // a key that does not exist yet.
        sid: 'FindModels',
        actions: ['s3:ListBucket'],
        resources: [artifacts.bucketArn],
      }),
      ...(signingKey ? [mayUse(signingKey)] : []),
    ]) {
      role.addToPolicy(statement);
    }
    return role;
  }
}
