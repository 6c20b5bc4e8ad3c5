/**
 * Limits of AWS services: what a template may say, with the page that says so and the day it was looked up.
 *
 * Quotas that can be raised are those of a new account.
 */

/** A limit of what one property of a resource may say. */
export interface Limit {
  /** What is limited, with its unit. */
  readonly what: string;
  readonly source: string;
  /** Type of the resource in CloudFormation. */
  readonly type: string;
  /** The numbers that it holds for, of the properties of a resource; none if they are not set. */
  readonly of: (properties: any) => (number | undefined)[];
  readonly min?: number;
  readonly max?: number;
}

export const LOOKED_UP = '2026-12-01';

const DOCS = 'https://docs.aws.amazon.com';
const CLOUDFORMATION = `${DOCS}/AWSCloudFormation/latest/TemplateReference`;
const LAMBDA = `${DOCS}/lambda/latest/dg/gettingstarted-limits.html`;
const REST_API = `${DOCS}/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html`;
const API_STREAMS = `${DOCS}/apigateway/latest/developerguide/response-transfer-mode.html`;
const API_THROTTLE = `${DOCS}/apigateway/latest/developerguide/limits.html`;
const CLOUDFRONT = `${DOCS}/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html`;
const BATCH = `${DOCS}/batch/latest`;
const SCHEDULER = `${DOCS}/scheduler/latest`;
const CODEDEPLOY = `${DOCS}/codedeploy/latest/userguide/limits.html`;
const ALARM = `${DOCS}/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html`;
const EVENTBRIDGE = `${DOCS}/eventbridge/latest/userguide/eb-quota.html`;
const ECS = `${DOCS}/AmazonECS/latest`;
const BALANCER = `${DOCS}/elasticloadbalancing/latest/application`;

/** Memory in MiB that Fargate offers for each number of CPU units, 1,024 of which are a vCPU. */
export const FARGATE_SIZES: Record<number, number[]> = {
  256: [512, 1024, 2048],
  512: [1024, 2048, 3072, 4096],
  1024: [2048, 3072, 4096, 5120, 6144, 7168, 8192],
  2048: gib(4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16),
  4096: gib(8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30),
  8192: gib(16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60),
  16384: gib(32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120),
};
export const FARGATE_SIZES_SOURCE = `${ECS}/developerguide/task-cpu-memory-error.html`;

/** The most that the files of a function may have unzipped, in MB. */
export const FUNCTION_UNZIPPED_MB = { max: 250, source: LAMBDA };

/** The largest request, in bytes: of API Gateway, and of Lambda, which gets it as base64 at the worst. */
export const REQUEST_BYTES = { restApi: 10_000_000, lambda: 6_000_000, sources: [REST_API, LAMBDA] };

/** The longest name of a bucket. CloudFormation keeps to it where it makes the name. */
export const BUCKET_NAME = { max: 63, source: `${DOCS}/AmazonS3/latest/userguide/bucketnamingrules.html` };

/** The longest name of an alarm. CloudFormation makes it of the stack's name, the logical id and 12 characters. */
export const ALARM_NAME = { max: 255, source: ALARM };

/** Of a template, with the stack's name. */
export const TEMPLATE = {
  resources: 500,
  outputs: 200,
  /** From S3, where the CDK puts it. */
  bytes: 1_000_000,
  stackName: 128,
  source: `${DOCS}/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html`,
};

export const LIMITS: Limit[] = [
  {
    what: 'memory of a function, MB',
    source: LAMBDA,
    type: 'AWS::Lambda::Function',
    of: ({ MemorySize }) => [MemorySize],
    min: 128,
    max: 10_240,
  },
  {
    what: 'timeout of a function, s',
    source: LAMBDA,
    type: 'AWS::Lambda::Function',
    of: ({ Timeout }) => [Timeout],
    min: 1,
    max: 900,
  },
  {
    what: '/tmp of a function, MB',
    source: LAMBDA,
    type: 'AWS::Lambda::Function',
    of: ({ EphemeralStorage }) => [EphemeralStorage?.Size],
    min: 512,
    max: 10_240,
  },
  {
    what: 'environment of a function, bytes',
    source: LAMBDA,
    type: 'AWS::Lambda::Function',
    of: ({ Environment }) => [
      Object.entries(Environment?.Variables ?? {}).reduce((sum, [name, value]) => sum + name.length + bytes(value), 0),
    ],
    max: 4096,
  },
  {
    what: 'layers of a function',
    source: LAMBDA,
    type: 'AWS::Lambda::Function',
    of: ({ Layers }) => [Layers?.length],
    max: 5,
  },
  {
    what: 'timeout of an integration, ms',
    source: REST_API,
    type: 'AWS::ApiGateway::Method',
    of: ({ Integration }) => (Integration.ResponseTransferMode === 'STREAM' ? [] : [Integration.TimeoutInMillis]),
    min: 50,
    max: 29_000,
  },
  {
    what: 'timeout of an integration that streams, ms',
    source: API_STREAMS,
    type: 'AWS::ApiGateway::Method',
    of: ({ Integration }) => (Integration.ResponseTransferMode === 'STREAM' ? [Integration.TimeoutInMillis] : []),
    min: 50,
    max: 900_000,
  },
  {
    what: 'rate of an API, requests per second',
    source: API_THROTTLE,
    type: 'AWS::ApiGateway::Stage',
    of: ({ MethodSettings }) => MethodSettings.map((settings: any) => settings.ThrottlingRateLimit),
    max: 10_000,
  },
  {
    what: 'burst of an API, requests',
    source: API_THROTTLE,
    type: 'AWS::ApiGateway::Stage',
    of: ({ MethodSettings }) => MethodSettings.map((settings: any) => settings.ThrottlingBurstLimit),
    max: 5000,
  },
  {
    what: 'read timeout of an origin, s',
    source: `${CLOUDFORMATION}/aws-properties-cloudfront-distribution-customoriginconfig.html`,
    type: 'AWS::CloudFront::Distribution',
    of: ({ DistributionConfig }) =>
      DistributionConfig.Origins.map(({ CustomOriginConfig }: any) => CustomOriginConfig?.OriginReadTimeout),
    min: 1,
    max: 120,
  },
  {
    what: 'read timeout of an origin in a VPC, s',
    source: `${CLOUDFORMATION}/aws-properties-cloudfront-distribution-vpcoriginconfig.html`,
    type: 'AWS::CloudFront::Distribution',
    of: ({ DistributionConfig }) =>
      DistributionConfig.Origins.map(({ VpcOriginConfig }: any) => VpcOriginConfig?.OriginReadTimeout),
    min: 1,
    max: 120,
  },
  {
    what: 'cache behaviors of a distribution',
    source: CLOUDFRONT,
    type: 'AWS::CloudFront::Distribution',
    // With the default one.
    of: ({ DistributionConfig }) => [DistributionConfig.CacheBehaviors.length + 1],
    max: 75,
  },
  {
    what: 'storage of a job on Fargate, GiB',
    source: `${BATCH}/APIReference/API_EphemeralStorage.html`,
    type: 'AWS::Batch::JobDefinition',
    of: ({ ContainerProperties }) => [ContainerProperties.EphemeralStorage?.SizeInGiB],
    min: 21,
    max: 200,
  },
  {
    what: 'attempts of a job',
    source: `${BATCH}/APIReference/API_RetryStrategy.html`,
    type: 'AWS::Batch::JobDefinition',
    of: ({ RetryStrategy }) => [RetryStrategy?.Attempts],
    min: 1,
    max: 10,
  },
  {
    what: 'conditions of a retry',
    source: `${BATCH}/APIReference/API_EvaluateOnExit.html`,
    type: 'AWS::Batch::JobDefinition',
    of: ({ RetryStrategy }) => [RetryStrategy?.EvaluateOnExit?.length],
    max: 5,
  },
  {
    what: 'time limit of an attempt, s',
    source: `${BATCH}/APIReference/API_JobTimeout.html`,
    type: 'AWS::Batch::JobDefinition',
    of: ({ Timeout }) => [Timeout.AttemptDurationSeconds],
    min: 60,
  },
  {
    what: 'definition of a job, bytes',
    source: `${BATCH}/userguide/service_limits.html`,
    type: 'AWS::Batch::JobDefinition',
    of: (properties) => [bytes(properties)],
    max: 24 * 1024,
  },
  {
    what: 'compute environments of a queue',
    source: `${BATCH}/userguide/service_limits.html`,
    type: 'AWS::Batch::JobQueue',
    of: ({ ComputeEnvironmentOrder }) => [ComputeEnvironmentOrder.length],
    min: 1,
    max: 3,
  },
  {
    what: 'time until a job that waits is cancelled, s',
    source: `${BATCH}/APIReference/API_JobStateTimeLimitAction.html`,
    type: 'AWS::Batch::JobQueue',
    of: ({ JobStateTimeLimitActions }) => (JobStateTimeLimitActions ?? []).map((action: any) => action.MaxTimeSeconds),
    min: 600,
    max: 86_400,
  },
  {
    what: 'user data of an instance, bytes',
    source: `${DOCS}/AWSEC2/latest/UserGuide/user-data.html`,
    type: 'AWS::EC2::LaunchTemplate',
    // Base64 within, of four thirds.
    of: ({ LaunchTemplateData }) => [Math.ceil((bytes(LaunchTemplateData.UserData) * 4) / 3)],
    max: 16 * 1024,
  },
  {
    what: 'flexible time window of a schedule, minutes',
    source: `${SCHEDULER}/APIReference/API_FlexibleTimeWindow.html`,
    type: 'AWS::Scheduler::Schedule',
    of: ({ FlexibleTimeWindow }) => [FlexibleTimeWindow.MaximumWindowInMinutes],
    min: 1,
    max: 1440,
  },
  {
    what: 'input of a schedule, bytes',
    source: `${SCHEDULER}/UserGuide/scheduler-quotas.html`,
    type: 'AWS::Scheduler::Schedule',
    of: ({ Target }) => [bytes(Target.Input ?? '')],
    max: 256 * 1024,
  },
  {
    what: 'retries of a schedule',
    source: `${SCHEDULER}/APIReference/API_RetryPolicy.html`,
    type: 'AWS::Scheduler::Schedule',
    of: ({ Target }) => [Target.RetryPolicy?.MaximumRetryAttempts],
    max: 185,
  },
  {
    what: 'share of a canary, percent',
    source: `${DOCS}/codedeploy/latest/APIReference/API_TimeBasedCanary.html`,
    type: 'AWS::CodeDeploy::DeploymentConfig',
    of: ({ TrafficRoutingConfig }) => [TrafficRoutingConfig.TimeBasedCanary.CanaryPercentage],
    min: 1,
    max: 99,
  },
  {
    what: 'time of a canary, minutes',
    source: CODEDEPLOY,
    type: 'AWS::CodeDeploy::DeploymentConfig',
    of: ({ TrafficRoutingConfig }) => [TrafficRoutingConfig.TimeBasedCanary.CanaryInterval],
    min: 1,
    max: 48 * 60,
  },
  {
    what: 'alarms of a deployment',
    source: CODEDEPLOY,
    type: 'AWS::CodeDeploy::DeploymentGroup',
    of: ({ AlarmConfiguration }) => [AlarmConfiguration.Alarms.length],
    max: 50,
  },
  {
    what: 'description of an alarm, characters',
    source: ALARM,
    type: 'AWS::CloudWatch::Alarm',
    of: ({ AlarmDescription }) => [AlarmDescription?.length],
    max: 1024,
  },
  {
    what: 'time that an alarm looks back on, s',
    source: ALARM,
    type: 'AWS::CloudWatch::Alarm',
    of: ({ Period, EvaluationPeriods }) => [Period === undefined ? undefined : Period * EvaluationPeriods],
    max: 86_400,
  },
  {
    what: 'pattern of events, characters',
    source: EVENTBRIDGE,
    type: 'AWS::Events::Rule',
    of: ({ EventPattern }) => [bytes(EventPattern)],
    max: 2048,
  },
  {
    what: 'targets of a rule',
    source: EVENTBRIDGE,
    type: 'AWS::Events::Rule',
    of: ({ Targets }) => [Targets.length],
    max: 5,
  },
  {
    what: 'time that a task has to stop, s',
    source: `${ECS}/APIReference/API_ContainerDefinition.html`,
    type: 'AWS::ECS::TaskDefinition',
    of: ({ ContainerDefinitions }) => ContainerDefinitions.map((container: any) => container.StopTimeout),
    max: 120,
  },
  {
    what: 'idle timeout of a load balancer, s',
    source: `${BALANCER}/edit-load-balancer-attributes.html`,
    type: 'AWS::ElasticLoadBalancingV2::LoadBalancer',
    of: ({ LoadBalancerAttributes }) => attribute(LoadBalancerAttributes, 'idle_timeout.timeout_seconds'),
    min: 1,
    max: 4000,
  },
  {
    what: 'deregistration delay of a target, s',
    source: `${BALANCER}/edit-target-group-attributes.html`,
    type: 'AWS::ElasticLoadBalancingV2::TargetGroup',
    of: ({ TargetGroupAttributes }) => attribute(TargetGroupAttributes, 'deregistration_delay.timeout_seconds'),
    max: 3600,
  },
];

/** The limit of this name. */
export function limit(what: string): Limit {
  const found = LIMITS.find((limit) => limit.what === what);
  if (!found) throw new Error(`there is no limit of ${what}`);
  return found;
}

function gib(...numbers: number[]): number[] {
  return numbers.map((number) => number * 1024);
}

function attribute(attributes: { Key: string; Value: string }[], key: string): number[] {
  return attributes.filter(({ Key }) => Key === key).map(({ Value }) => Number(Value));
}

/** Length of a value, in which what only AWS knows stands as an ARN of 128 characters, which few are as long as. */
function bytes(value: unknown): number {
  const known = written(value);
  return Buffer.byteLength(typeof known === 'string' ? known : JSON.stringify(known));
}

function written(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(written);
  if (typeof value !== 'object' || value === null) return value;
  const [name = '', argument] = (Object.entries(value)[0] ?? []) as [string?, any?];
  if (name === 'Fn::Join') return (written(argument[1]) as unknown[]).join(argument[0]);
  if (name === 'Fn::Base64') return written(argument);
  if (name === 'Ref' || name.startsWith('Fn::')) return 'x'.repeat(128);
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, written(part)]));
}
