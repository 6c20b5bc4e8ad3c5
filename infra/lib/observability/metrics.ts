/** CloudWatch metrics behind the alarms and the dashboard. */
import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type { ServingStack } from '../serving/serving-stack.ts';
import type { TrainingStack } from '../training/training-stack.ts';

const PERIOD = Duration.minutes(5);

/** Metrics that the function itself reports, in its log (`domain/telemetry.rs` of `functions/generate`). */
function reporter(dimensionsMap: Record<string, string>) {
  return (metricName: string, statistic: string) =>
    new cloudwatch.Metric({ namespace: 'TroelsLLM', metricName, dimensionsMap, statistic, period: PERIOD });
}

export type Metrics = ReturnType<typeof metricsOf>;

export function metricsOf(serving: ServingStack, training: TrainingStack) {
  const sum = { statistic: cloudwatch.Stats.SUM, period: PERIOD };
  const reported = reporter({ FunctionName: serving.function.functionName });
  return {
    reported,
    invocations: serving.alias.metricInvocations(sum),
    errors: serving.alias.metricErrors(sum),
    throttles: serving.alias.metricThrottles(sum),
    p50Milliseconds: serving.alias.metricDuration({ statistic: 'p50', period: PERIOD }),
    p99Milliseconds: serving.alias.metricDuration({ statistic: 'p99', period: PERIOD }),
    concurrency: serving.function.metric('ConcurrentExecutions', {
      statistic: cloudwatch.Stats.MAXIMUM,
      period: PERIOD,
    }),
    coldStartMilliseconds: reported('ColdStart', cloudwatch.Stats.MAXIMUM),
    loadFailures: reported('LoadFailures', cloudwatch.Stats.SUM),
    /** Only a REST API counts them. */
    serverErrors: serving.endpoint.api?.metricServerError(sum),
    scheduleFailures: training.scheduleGroup.metricTargetErrors(sum),
  };
}
