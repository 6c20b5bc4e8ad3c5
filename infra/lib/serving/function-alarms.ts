/** Alarms about the function. They are in its own stack, since they end a roll-out of it. */
import { Stack } from 'aws-cdk-lib';
import type * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type { Construct } from 'constructs';
import type { Settings } from '../../settings.ts';
import { addAlarm, type Condition } from '../observability/alarm.ts';
import type { FunctionMetrics } from '../observability/metrics.ts';

export interface AlarmProps {
  readonly settings: Settings['alarms'];
  /** Name of the stage's topic. It is in a stack that depends on this one, so nothing here can refer to it. */
  readonly topicName: string;
}

/** Adds the alarms, and returns those that a new version of the function may raise. */
export function addFunctionAlarms(scope: Construct, metrics: FunctionMetrics, props: AlarmProps): cloudwatch.Alarm[] {
  const { settings, topicName } = props;
  const topicArn = Stack.of(scope).formatArn({ service: 'sns', resource: topicName });
  const alarm = (condition: Condition) => addAlarm(scope, topicArn, condition);
  alarm({
    id: 'Throttles',
    description: 'Requests were turned away: more at once than reservedConcurrency allows.',
    metric: metrics.throttles,
    above: 0,
    periods: [2, 3],
  });
  const ofVersions: Condition[] = [
    { id: 'Errors', description: 'The function failed.', metric: metrics.errors, above: 0 },
    {
      id: 'SlowRequests',
      description: `One request of 100 takes longer than ${settings.p99Seconds} s.`,
      metric: metrics.p99Milliseconds,
      above: settings.p99Seconds * 1000,
      periods: [2, 3],
    },
    {
      id: 'SlowColdStarts',
      description: `From the start of a process to a loaded model it takes longer than ${settings.coldStartSeconds} s.`,
      metric: metrics.coldStartMilliseconds,
      above: settings.coldStartSeconds * 1000,
    },
    {
      id: 'ModelNotLoaded',
      description: 'The version that the channel names cannot be loaded; the one before it is served on.',
      metric: metrics.loadFailures,
      above: 0,
    },
  ];
  if (metrics.serverErrors) {
    const metric = metrics.serverErrors;
    ofVersions.push({ id: 'ServerErrors', description: 'Answers 5xx.', metric, above: 0, periods: [2, 3] });
  }
  return ofVersions.map(alarm);
}
