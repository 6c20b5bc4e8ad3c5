/** CloudWatch dashboard of a stage: requests, generation, cold starts, retraining. */
import { Stack } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type { Metrics } from './metrics.ts';

export function addDashboard(stack: Stack, metrics: Metrics, modelAge: cloudwatch.IMetric | undefined): void {
  const graph = (title: string, left: cloudwatch.IMetric[], right: cloudwatch.IMetric[] = []) =>
    new cloudwatch.GraphWidget({ title, left, right, width: 8, height: 6 });
  const { reported } = metrics;
  const errors = [metrics.errors, metrics.throttles, metrics.loadFailures];
  new cloudwatch.Dashboard(stack, 'Dashboard', {
    dashboardName: stack.stackName,
    widgets: [
      [
        graph('Requests', [metrics.invocations], [metrics.concurrency]),
        graph('Time of a request, ms', [metrics.p50Milliseconds, metrics.p99Milliseconds]),
        graph('Errors', metrics.serverErrors ? [...errors, metrics.serverErrors] : errors),
      ],
      [
        graph('Generation', [reported('Tokens', 'Sum')], [reported('TokensPerSecond', 'p50')]),
        graph('First token, ms', [reported('FirstToken', 'p50'), reported('FirstToken', 'p99')]),
        graph(
          'Cold start and its parts, ms',
          ['ColdStart', 'LoadFiles', 'LoadRuntime', 'LoadTokenizer', 'LoadSession'].map((name) => reported(name, 'Maximum')),
        ),
      ],
      [
        graph('Retraining that could not be submitted', [metrics.scheduleFailures]),
        ...(modelAge ? [graph('Age of the model, days', [modelAge])] : []),
      ],
    ],
  });
}
