/** Alarms about the service, and its rows in the dashboard: the counterparts of those about the function. */
import type * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type { Construct } from 'constructs';
import type { Condition } from '../../observability/alarm.ts';
import { graph, reportedRows } from '../../observability/dashboard.ts';
import { type AlarmProps, alarmsOf, modelConditions } from '../model-alarms.ts';
import type { ServiceMetrics } from './service-metrics.ts';

/** Adds the alarms, and returns those that a bad deployment raises. */
export function addServiceAlarms(scope: Construct, metrics: ServiceMetrics, props: AlarmProps): cloudwatch.Alarm[] {
  const { settings, topicName } = props;
  const alarm = alarmsOf(scope, topicName);
  alarm({
    id: 'UnhealthyTasks',
    description: 'A task has no model, or does not answer.',
    metric: metrics.unhealthyTasks,
    above: 0,
    periods: [2, 3],
  });
  const ofDeployments: Condition[] = [
    ...modelConditions(metrics, settings),
    { id: 'ServerErrors', description: 'Answers 5xx.', metric: metrics.serverErrors, above: 0, periods: [2, 3] },
    {
      id: 'SlowRequests',
      description: `One request of 100 takes longer than ${settings.p99Seconds} s.`,
      metric: metrics.p99Seconds,
      above: settings.p99Seconds,
      periods: [2, 3],
    },
  ];
  return ofDeployments.map(alarm);
}

export function serviceRows(metrics: ServiceMetrics, channels: string[]): cloudwatch.IWidget[][] {
  return [
    [
      graph('Requests', [metrics.requests], [metrics.healthyTasks, metrics.queue]),
      graph('Time to the head of an answer, s', [metrics.p50Seconds, metrics.p99Seconds]),
      graph('Errors', [metrics.serverErrors, metrics.unhealthyTasks]),
    ],
    ...reportedRows(metrics, channels),
    [graph('Processors and memory, %', [metrics.cpuPercent, metrics.memoryPercent])],
  ];
}
