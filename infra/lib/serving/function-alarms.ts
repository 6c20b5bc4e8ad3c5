/** Alarms about the function. They are in its own stack, since they end a roll-out of it. */
import type * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type { Construct } from 'constructs';
import type { Condition } from '../observability/alarm.ts';
import type { FunctionMetrics } from '../observability/metrics.ts';
import { type AlarmProps, alarmsOf, modelConditions } from './model-alarms.ts';

/** Adds the alarms, and returns those that a new version of the function may raise. */
export function addFunctionAlarms(scope: Construct, metrics: FunctionMetrics, props: AlarmProps): cloudwatch.Alarm[] {
  const { settings, topicName } = props;
  const alarm = alarmsOf(scope, topicName);
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
    ...modelConditions(metrics, settings),
  ];
  if (metrics.serverErrors) {
    const metric = metrics.serverErrors;
    ofVersions.push({ id: 'ServerErrors', description: 'Answers 5xx.', metric, above: 0, periods: [2, 3] });
  }
  return ofVersions.map(alarm);
}
