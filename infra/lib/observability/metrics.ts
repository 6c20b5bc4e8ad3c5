/** CloudWatch metrics behind the alarms and the dashboard. */
import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type * as lambda from 'aws-cdk-lib/aws-lambda';
import type { Endpoint } from '../serving/endpoint.ts';

export const PERIOD = Duration.minutes(5);

/** Metrics with these dimensions that the program itself reports, in its log (`domain/telemetry.rs`). */
function reporter(dimensionsMap: Record<string, string>) {
  return (metricName: string, statistic: string) =>
    new cloudwatch.Metric({ namespace: 'TroelsLLM', metricName, dimensionsMap, statistic, period: PERIOD });
}

export type ReportedMetrics = ReturnType<typeof reportedMetrics>;

/** Metrics that the program reports: as a function, or as a service of this name. */
export function reportedMetrics(dimension: 'FunctionName' | 'Service', name: string) {
  const reported = reporter({ [dimension]: name });
  return {
    reported,
    coldStartMilliseconds: reported('ColdStart', cloudwatch.Stats.MAXIMUM),
    loadFailures: reported('LoadFailures', cloudwatch.Stats.SUM),
    /** The same of one channel; the program tells channels apart if it has a challenger. */
    ofChannel: (Channel: string) => reporter({ [dimension]: name, Channel }),
  };
}

/** What the metrics are of. */
export interface ServedFunction {
  readonly function: lambda.Function;
  readonly alias: lambda.Alias;
  readonly endpoint: Endpoint;
}

export type FunctionMetrics = ReturnType<typeof functionMetrics>;

/** For metrics that count. */
export const sum = { statistic: cloudwatch.Stats.SUM, period: PERIOD };

export function functionMetrics(serving: ServedFunction) {
  return {
    ...reportedMetrics('FunctionName', serving.function.functionName),
    invocations: serving.alias.metricInvocations(sum),
    errors: serving.alias.metricErrors(sum),
    throttles: serving.alias.metricThrottles(sum),
    p50Milliseconds: serving.alias.metricDuration({ statistic: 'p50', period: PERIOD }),
    p99Milliseconds: serving.alias.metricDuration({ statistic: 'p99', period: PERIOD }),
    concurrency: serving.function.metric('ConcurrentExecutions', {
      statistic: cloudwatch.Stats.MAXIMUM,
      period: PERIOD,
    }),
    /** Only a REST API counts them. */
    serverErrors: serving.endpoint.api?.metricServerError(sum),
  };
}
