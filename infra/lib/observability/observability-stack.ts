/** SNS topic of the alarms, failed jobs and the budget; alarms about training; and the dashboard. */
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
import { addAlarm, type Condition } from './alarm.ts';
import { addDashboard, graph } from './dashboard.ts';
import { sum } from './metrics.ts';
import { ModelAge } from './model-age.ts';
import type { ServiceStack } from '../serving/service/service-stack.ts';
import type { ServingStack } from '../serving/serving-stack.ts';
import type { TrainingStack } from '../training/training-stack.ts';

export interface ObservabilityStackProps extends StackProps {
  readonly settings: Settings['alarms'];
  /** Name of the topic, by which alarms of other stacks refer to it. */
  readonly topicName: string;
  readonly channel: string;
  readonly artifacts: s3.IBucket;
  readonly serving: ServingStack | ServiceStack;
  readonly training: TrainingStack;
}

export class ObservabilityStack extends Stack {
  private readonly topic: sns.Topic;

  constructor(scope: Construct, id: string, props: ObservabilityStackProps) {
    super(scope, id, props);
    const { settings, serving, training } = props;
    this.topic = this.alarmTopic(settings.email, props.topicName);
    const scheduleFailures = training.scheduleGroup.metricTargetErrors(sum);
    this.alarm({
      id: 'RetrainingNotSubmitted',
      description: 'The schedule could not submit its job.',
      metric: scheduleFailures,
      above: 0,
    });
    this.notifyOfFailedJobs(training.queueArns);
    this.notifyOfWaitingJobs(training.queueArns);

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
    addDashboard(this, [
      ...serving.dashboardRows,
      [
        graph('Retraining that could not be submitted', [scheduleFailures]),
        ...(modelAge ? [graph('Age of the model, days', [modelAge])] : []),
      ],
    ]);
    new CfnOutput(this, 'AlarmTopic', { value: this.topic.topicArn });
  }

  private alarmTopic(email: string | null, topicName: string): sns.Topic {
    const topic = new sns.Topic(this, 'Alarms', { topicName, displayName: 'TroelsLLM', enforceSSL: true });
    topic.addToResourcePolicy(
      new iam.PolicyStatement({
        sid: 'AlarmsAndBudgets',
        principals: [new iam.ServicePrincipal('cloudwatch.amazonaws.com'), new iam.ServicePrincipal('budgets.amazonaws.com')],
        actions: ['sns:Publish'],
        resources: [topic.topicArn],
        conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } },
      }),
    );
    if (email !== null && email !== 'none') topic.addSubscription(new EmailSubscription(email));
    return topic;
  }

  private alarm(condition: Condition): cloudwatch.Alarm {
    return addAlarm(this, this.topic.topicArn, condition);
  }

  /** Exit code 3: the new model was published and is worse, so the channel stays as it is. */
  private notifyOfFailedJobs(queueArns: string[]): void {
    const field = events.EventField.fromPath;
    new events.Rule(this, 'RetrainingFailed', {
      description: 'A job failed, or its model is worse than the one being served',
      eventPattern: {
        source: ['aws.batch'],
        detailType: ['Batch Job State Change'],
        detail: { status: ['FAILED'], jobQueue: queueArns },
      },
      targets: [
        new SnsTopic(this.topic, {
          message: events.RuleTargetInput.fromText(
            `Job ${field('$.detail.jobName')} (${field('$.detail.jobId')}) failed: ` +
              `${field('$.detail.statusReason')}, exit code ${field('$.detail.container.exitCode')} ` +
              `(3: its model is worse than the one being served, which stays). ` +
              `Log stream: ${field('$.detail.container.logStreamName')}. ` +
              'What to do: infra/README.md, RetrainingFailed.',
          ),
        }),
      ],
    });
  }

  /** A job at the head of its queue that does not start: no capacity, no quota, or no machine that it fits on. */
  private notifyOfWaitingJobs(queueArns: string[]): void {
    const field = events.EventField.fromPath;
    new events.Rule(this, 'RetrainingWaits', {
      description: 'A job waits, and nothing that it could run on comes',
      eventPattern: {
        source: ['aws.batch'],
        detailType: ['Batch Job Queue Blocked'],
        detail: { jobQueue: queueArns },
      },
      targets: [
        new SnsTopic(this.topic, {
          message: events.RuleTargetInput.fromText(
            `Job ${field('$.detail.jobName')} (${field('$.detail.jobId')}) waits and blocks its queue: ` +
              `${field('$.detail.statusReason')}. What to do: infra/README.md, RetrainingWaits.`,
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
