/** Alarms about the served model, the same for a function and a service, and where all of serving's alarms go. */
import { Stack } from 'aws-cdk-lib';
import type * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type { Construct } from 'constructs';
import type { Settings } from '../../settings.ts';
import { addAlarm, type Condition } from '../observability/alarm.ts';
import type { ReportedMetrics } from '../observability/metrics.ts';

export interface AlarmProps {
  readonly settings: Settings['alarms'];
  /** Name of the stage's topic. It is in a stack that depends on this one, so nothing here can refer to it. */
  readonly topicName: string;
}

/** Adds alarms to a stack of serving. */
export function alarmsOf(scope: Construct, topicName: string): (condition: Condition) => cloudwatch.Alarm {
  const topicArn = Stack.of(scope).formatArn({ service: 'sns', resource: topicName });
  return (condition) => addAlarm(scope, topicArn, condition);
}

/** Alarms about loading a model. */
export function modelConditions(metrics: ReportedMetrics, settings: Settings['alarms']): Condition[] {
  return [
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
}
