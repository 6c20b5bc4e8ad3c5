/** CloudWatch dashboard of a stage, and its rows about the function and what that reports. */
import { Stack } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type { FunctionMetrics, ReportedMetrics } from './metrics.ts';

/** A third of a row. */
export function graph(title: string, left: cloudwatch.IMetric[], right: cloudwatch.IMetric[] = []) {
  return new cloudwatch.GraphWidget({ title, left, right, width: 8, height: 6 });
}

/** Rows about the function; `channels` are those that share its requests, if there are several. */
export function functionRows(metrics: FunctionMetrics, channels: string[]): cloudwatch.IWidget[][] {
  const errors = [metrics.errors, metrics.throttles, metrics.loadFailures];
  return [
    [
      graph('Requests', [metrics.invocations], [metrics.concurrency]),
      graph('Time of a request, ms', [metrics.p50Milliseconds, metrics.p99Milliseconds]),
      graph('Errors', metrics.serverErrors ? [...errors, metrics.serverErrors] : errors),
    ],
    ...reportedRows(metrics, channels),
  ];
}

/** Rows about what the program itself reports: texts, channels side by side, its start. */
export function reportedRows(metrics: ReportedMetrics, channels: string[]): cloudwatch.IWidget[][] {
  const { reported } = metrics;
  return [
    ...channelRows(metrics, channels),
    [
      ...(channels.length === 0
        ? [
            graph('Generation', [reported('Tokens', 'Sum')], [reported('TokensPerSecond', 'p50')]),
            graph('First token, ms', [reported('FirstToken', 'p50'), reported('FirstToken', 'p99')]),
          ]
        : []),
      graph(
        'Cold start and its parts, ms',
        ['ColdStart', 'LoadFiles', 'LoadRuntime', 'LoadTokenizer', 'LoadSession'].map((name) => reported(name, 'Maximum')),
      ),
    ],
  ];
}

/** Channels side by side: what decides which of them is promoted. */
function channelRows(metrics: ReportedMetrics, channels: string[]): cloudwatch.IWidget[][] {
  if (channels.length === 0) return [];
  const compare = (title: string, name: string, ...statistics: string[]) =>
    graph(
      title,
      channels.flatMap((channel) =>
        statistics.map((statistic) =>
          metrics.ofChannel(channel)(name, statistic).with({ label: `${channel} ${statistic}` }),
        ),
      ),
    );
  return [
    [
      compare('Texts by channel', 'Texts', 'Sum'),
      compare('Texts by channel that failed', 'FailedTexts', 'Sum'),
    ],
    [
      compare('Tokens by channel', 'Tokens', 'Sum'),
      compare('Tokens per second by channel', 'TokensPerSecond', 'p50'),
      compare('First token by channel, ms', 'FirstToken', 'p50', 'p99'),
    ],
  ];
}

export function addDashboard(stack: Stack, widgets: cloudwatch.IWidget[][]): void {
  new cloudwatch.Dashboard(stack, 'Dashboard', { dashboardName: stack.stackName, widgets });
}
