/** CloudWatch metrics of the service, as its load balancer, ECS and the program itself report them. */
import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type * as ecs from 'aws-cdk-lib/aws-ecs';
import * as elbv2 from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import { PERIOD, reportedMetrics } from '../../observability/metrics.ts';

/** What the metrics are of. */
export interface BalancedService {
  /** Its name in the program's own metrics. */
  readonly name: string;
  readonly service: ecs.FargateService;
  readonly balancer: elbv2.ApplicationLoadBalancer;
  readonly targets: elbv2.ApplicationTargetGroup;
}

export type ServiceMetrics = ReturnType<typeof serviceMetrics>;

export function serviceMetrics({ name, service, balancer, targets }: BalancedService) {
  const program = reportedMetrics('Service', name);
  const period = PERIOD;
  const sum = { statistic: cloudwatch.Stats.SUM, period };
  const most = { statistic: cloudwatch.Stats.MAXIMUM, period };
  // By attributes: the library takes them out of the listener's ARN, and a weak reference to that cannot be taken apart.
  const dimensionsMap = { LoadBalancer: balancer.loadBalancerFullName, TargetGroup: targets.targetGroupFullName };
  const ofTargets = (metric: cloudwatch.Metric) => metric.with({ dimensionsMap });
  return {
    ...program,
    /** Requests that run or wait in a task, on the average of all tasks. */
    queue: program.reported('Queue', cloudwatch.Stats.AVERAGE).with({ period: Duration.minutes(1) }),
    requests: ofTargets(targets.metrics.requestCount(sum)),
    /** To the head of an answer: of a stream, to its first token. */
    p50Seconds: ofTargets(targets.metrics.targetResponseTime({ statistic: 'p50', period })),
    p99Seconds: ofTargets(targets.metrics.targetResponseTime({ statistic: 'p99', period })),
    /** Answers 5xx, of tasks and of the load balancer where there is no task. */
    serverErrors: new cloudwatch.MathExpression({
      expression: 'FILL(tasks, 0) + FILL(balancer, 0)',
      usingMetrics: {
        tasks: ofTargets(targets.metrics.httpCodeTarget(elbv2.HttpCodeTarget.TARGET_5XX_COUNT, sum)),
        balancer: balancer.metrics.httpCodeElb(elbv2.HttpCodeElb.ELB_5XX_COUNT, sum),
      },
      label: 'Answers 5xx',
      period,
    }),
    healthyTasks: ofTargets(targets.metrics.healthyHostCount(most)),
    unhealthyTasks: ofTargets(targets.metrics.unhealthyHostCount(most)),
    cpuPercent: service.metricCpuUtilization(most),
    memoryPercent: service.metricMemoryUtilization(most),
  };
}
