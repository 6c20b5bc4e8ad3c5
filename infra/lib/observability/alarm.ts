/** CloudWatch alarm that tells the stage's topic, and names its row in the runbook. */
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type { Construct } from 'constructs';

/** When a metric raises an alarm. */
export interface Condition {
  readonly id: string;
  /** What the alarm means; `infra/README.md` has a row for each with what to do. */
  readonly description: string;
  readonly metric: cloudwatch.IMetric;
  /** The threshold; at this value there is no alarm yet. */
  readonly above: number;
  /** `[m, n]`: m of the last n periods have to be above it; 1 of 1 by default. */
  readonly periods?: [number, number];
}

const { MISSING, NOT_BREACHING } = cloudwatch.TreatMissingData;

/** Adds an alarm to a stack, which may be another one than that of the topic. */
export function addAlarm(scope: Construct, topicArn: string, condition: Condition): cloudwatch.Alarm {
  const { id, description, metric, above, periods = [1, 1] } = condition;
  const alarm = new cloudwatch.Alarm(scope, id, {
    alarmDescription: `${description} What to do: infra/README.md, ${id}.`,
    metric,
    threshold: above,
    comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
    datapointsToAlarm: periods[0],
    evaluationPeriods: periods[1],
    treatMissingData: id === 'ModelTooOld' ? MISSING : NOT_BREACHING,
  });
  alarm.addAlarmAction({ bind: () => ({ alarmActionArn: topicArn }) });
  return alarm;
}
