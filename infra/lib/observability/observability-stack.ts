/** Alarms, failed jobs and a budget, sent to an SNS topic; and the dashboard. */
import { Aws, CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import * as budgets from 'aws-cdk-lib/aws-budgets';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import * as events from 'aws-cdk-lib/aws-events';
import { SnsTopic } from 'aws-cdk-lib/aws-events-targets';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import * as sns from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import type { Construct } from 'constructs';
import type { Settings } from '../../settings.ts';
import { addDashboard } from './dashboard.ts';
import { metricsOf } from './metrics.ts';
import { ModelAge } from './model-age.ts';
import type { ServingStack } from '../serving/serving-stack.ts';
import type { TrainingStack } from '../training/training-stack.ts';

export interface ObservabilityStackProps extends StackProps {
  readonly settings: Settings['alarms'];
  readonly channel: string;
  readonly artifacts: s3.IBucket;
  readonly serving: ServingStack;
  readonly training: TrainingStack;
}

/** When a metric raises an alarm. */
interface Condition {
  readonly id: string;
  /** What the alarm means; `infra/README.md` has a row for each with what to do. */
  readonly description: string;
  readonly metric: cloudwatch.IMetric;
  /** The threshold; at this value there is no alarm yet. */
  readonly above: number;
  /** `[m, n]`: m of the last n periods have to be above it; 1 of 1 by default. */
  readonly periods?: [number, number];
}

export class ObservabilityStack extends Stack {
  private readonly topic: sns.Topic;

  constructor(scope: Construct, id: string, props: ObservabilityStackProps) {
    super(scope, id, props);
    const { settings, serving, training } = props;
    this.topic = this.alarmTopic(settings.email);
    const metrics = metricsOf(serving, training);

    this.alarm({ id: 'Errors', description: 'The function failed.', metric: metrics.errors, above: 0 });
    this.alarm({
      id: 'Throttles',
      description: 'Requests were turned away: more at once than reservedConcurrency allows.',
      metric: metrics.throttles,
      above: 0,
      periods: [2, 3],
    });
    this.alarm({
      id: 'SlowRequests',
      description: `One request of 100 takes longer than ${settings.p99Seconds} s.`,
      metric: metrics.p99Milliseconds,
      above: settings.p99Seconds * 1000,
      periods: [2, 3],
    });
    this.alarm({
      id: 'SlowColdStarts',
      description: `From the start of a process to a loaded model it takes longer than ${settings.coldStartSeconds} s.`,
      metric: metrics.coldStartMilliseconds,
      above: settings.coldStartSeconds * 1000,
    });
    this.alarm({
      id: 'ModelNotLoaded',
      description: 'The version that the channel names cannot be loaded; the one before it is served on.',
      metric: metrics.loadFailures,
      above: 0,
    });
    if (metrics.serverErrors) {
      this.alarm({ id: 'ServerErrors', description: 'Answers 5xx.', metric: metrics.serverErrors, above: 0, periods: [2, 3] });
    }
    this.alarm({
      id: 'RetrainingNotSubmitted',
      description: 'The schedule could not submit its job.',
      metric: metrics.scheduleFailures,
      above: 0,
    });
    this.notifyOfFailedJobs(training.queueArn);

    let modelAge: cloudwatch.Metric | undefined;
    if (settings.modelAgeDays !== null) {
      modelAge = new ModelAge(this, 'ModelAge', props).metric;
      const alarm = this.alarm({
        id: 'ModelTooOld',
        description: `No model was promoted for ${settings.modelAgeDays} days: retraining is late, or the gate holds.`,
        metric: modelAge,
        above: settings.modelAgeDays,
      });
      // No measurement is as bad as a model that is too old.
      alarm.addInsufficientDataAction(new SnsAction(this.topic));
    }
    if (settings.monthlyBudgetUsd !== null) this.budget(settings.monthlyBudgetUsd);
    addDashboard(this, metrics, modelAge);
    new CfnOutput(this, 'AlarmTopic', { value: this.topic.topicArn });
  }

  private alarmTopic(email: string | null): sns.Topic {
    const topic = new sns.Topic(this, 'Alarms', { displayName: 'TroelsLLM', enforceSSL: true });
    topic.addToResourcePolicy(
      new iam.PolicyStatement({
        sid: 'AlarmsAndBudgets',
        principals: [new iam.ServicePrincipal('cloudwatch.amazonaws.com'), new iam.ServicePrincipal('budgets.amazonaws.com')],
        actions: ['sns:Publish'],
        resources: [topic.topicArn],
        conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } },
      }),
    );
    if (email !== null) topic.addSubscription(new EmailSubscription(email));
    return topic;
  }

  private alarm({ id, description, metric, above, periods = [1, 1] }: Condition): cloudwatch.Alarm {
    const alarm = new cloudwatch.Alarm(this, id, {
      alarmDescription: `${description} What to do: infra/README.md, ${id}.`,
      metric,
      threshold: above,
      comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
      datapointsToAlarm: periods[0],
      evaluationPeriods: periods[1],
      treatMissingData: id === 'ModelTooOld' ? cloudwatch.TreatMissingData.MISSING : cloudwatch.TreatMissingData.NOT_BREACHING,
    });
    alarm.addAlarmAction(new SnsAction(this.topic));
    return alarm;
  }

  /** Exit code 3: the new model was published and is worse, so the channel stays as it is. */
  private notifyOfFailedJobs(queueArn: string): void {
    const field = events.EventField.fromPath;
    new events.Rule(this, 'RetrainingFailed', {
      description: 'A training job failed, or its model is worse than the one being served',
      eventPattern: {
        source: ['aws.batch'],
        detailType: ['Batch Job State Change'],
        detail: { status: ['FAILED'], jobQueue: [queueArn] },
      },
      targets: [
        new SnsTopic(this.topic, {
          message: events.RuleTargetInput.fromText(
            `Training job ${field('$.detail.jobName')} (${field('$.detail.jobId')}) failed: ` +
              `${field('$.detail.statusReason')}, exit code ${field('$.detail.container.exitCode')} ` +
              `(3: its model is worse than the one being served, which stays). ` +
              `Log stream: ${field('$.detail.container.logStreamName')}. ` +
              'What to do: infra/README.md, RetrainingFailed.',
          ),
        }),
      ],
    });
  }

  private budget(monthlyUsd: number): void {
    const tell = (notificationType: string, threshold: number) => ({
      notification: { notificationType, threshold, comparisonOperator: 'GREATER_THAN', thresholdType: 'PERCENTAGE' },
      subscribers: [{ subscriptionType: 'SNS', address: this.topic.topicArn }],
    });
    const budget = new budgets.CfnBudget(this, 'Budget', {
      budget: { budgetType: 'COST', timeUnit: 'MONTHLY', budgetLimit: { amount: monthlyUsd, unit: 'USD' } },
      notificationsWithSubscribers: [tell('ACTUAL', 80), tell('FORECASTED', 100)],
    });
    // The topic and its policy: AWS looks whether it may publish there.
    budget.node.addDependency(this.topic);
  }
}
