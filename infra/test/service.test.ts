/** Service in the place of the function: tasks, load balancer, scaling, alarms, the way through CloudFront. */
import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, test } from 'vitest';
import type { SettingsInput } from '../settings.ts';
import { addTestStacks, newApp, statementsOf, summary, synthesize } from './support.ts';

type Serving = NonNullable<SettingsInput['serving']>;

const key = 'a'.repeat(64);
const ecs: Serving = { compute: 'ecs', package: 'image', apiKeySha256: [key] };
const service = { vcpus: 4, requestsAtOnce: 16, minTasks: 2, maxTasks: 5 } as const;
const { serving, site, observability } = synthesize({
  serving: { ...ecs, imageTag: 'v7', timeLimitSeconds: 90, service },
});

describe('a task', () => {
  const [{ Properties: task }] = Object.values(serving.findResources('AWS::ECS::TaskDefinition')) as [any];
  const [container] = task.ContainerDefinitions;

  test('has the least memory that its processors come with', () => {
    expect([task.Cpu, task.Memory]).toEqual(['4096', '8192']);
    expect(task.RequiresCompatibilities).toEqual(['FARGATE']);
    expect(task.RuntimePlatform.CpuArchitecture).toBe('X86_64');
  });

  test("runs the function's image, which generates several texts at once and knows nothing of Lambda", () => {
    expect(JSON.stringify(container.Image)).toContain(':v7');
    expect(container.Command).toEqual(['--listen', '0.0.0.0:8080']);
    const environment = Object.fromEntries(container.Environment.map(({ Name, Value }: any) => [Name, Value]));
    expect(Object.keys(environment).toSorted()).toEqual([
      'API_KEY_SHA256',
      'MAX_CONCURRENT',
      'METRICS_SERVICE',
      'MODEL_CHANNEL',
      'MODEL_CHECK_SECONDS',
      'MODEL_STORE',
      'THREADS',
      'TIME_LIMIT_SECONDS',
    ]);
    expect(environment).toMatchObject({ THREADS: '4', MAX_CONCURRENT: '16', API_KEY_SHA256: key });
    expect(environment['METRICS_SERVICE']).toBe('TroelsLLM-test-Serving');
  });

  test('may end its texts before it is stopped', () => {
    expect(container.StopTimeout).toBe(90);
    serving.hasResourceProperties('AWS::ElasticLoadBalancingV2::TargetGroup', {
      TargetGroupAttributes: Match.arrayWith([{ Key: 'deregistration_delay.timeout_seconds', Value: '90' }]),
    });
  });

  test('reads models and channels, and nothing else', () => {
    expect(statementsOf(serving, 'GenerateRole').map(summary)).toEqual([
      { actions: ['s3:GetObject'], resources: ['<Artifacts>/channels/*', '<Artifacts>/models/*'] },
      { actions: ['s3:ListBucket'], resources: ['<Artifacts>'] },
    ]);
  });
});

describe('the service', () => {
  test('takes back a deployment whose tasks do not become ready, or that raises an alarm', () => {
    serving.hasResourceProperties('AWS::ECS::Service', {
      DeploymentConfiguration: {
        DeploymentCircuitBreaker: { Enable: true, Rollback: true },
        Alarms: {
          Enable: true,
          Rollback: true,
          AlarmNames: ['SlowColdStarts', 'ModelNotLoaded', 'ServerErrors', 'SlowRequests'].map((id) => ({
            Ref: Match.stringLikeRegexp(`^${id}`),
          })),
        },
        MinimumHealthyPercent: 100,
        MaximumPercent: 200,
      },
    });
    serving.hasResourceProperties('AWS::ElasticLoadBalancingV2::TargetGroup', { HealthCheckPath: '/ready' });
  });

  test('grows with the queue of a task, within its bounds', () => {
    serving.hasResourceProperties('AWS::ApplicationAutoScaling::ScalableTarget', { MinCapacity: 2, MaxCapacity: 5 });
    serving.hasResourceProperties('AWS::ApplicationAutoScaling::ScalingPolicy', {
      TargetTrackingScalingPolicyConfiguration: {
        CustomizedMetricSpecification: {
          Namespace: 'TroelsLLM',
          MetricName: 'Queue',
          Dimensions: [{ Name: 'Service', Value: 'TroelsLLM-test-Serving' }],
          Statistic: 'Average',
        },
        // Three quarters of sixteen.
        TargetValue: 12,
      },
    });
    // Its number of tasks is not set back by a deployment.
    serving.hasResourceProperties('AWS::ECS::Service', { DesiredCount: Match.absent() });
  });

  test('is reached by the load balancer alone, and needs no NAT gateway', () => {
    serving.resourceCountIs('AWS::EC2::NatGateway', 0);
    serving.hasResourceProperties('AWS::ECS::Service', {
      NetworkConfiguration: { AwsvpcConfiguration: Match.objectLike({ AssignPublicIp: 'ENABLED' }) },
    });
    const ingress = Object.values(serving.findResources('AWS::EC2::SecurityGroupIngress'));
    expect(ingress.map(({ Properties }) => Properties)).toEqual([
      expect.objectContaining({
        FromPort: 8080,
        ToPort: 8080,
        SourceSecurityGroupId: { 'Fn::GetAtt': [expect.stringMatching(/^NetworkBalancerGroup/), 'GroupId'] },
      }),
    ]);
  });

  test('has a load balancer without an address in the internet', () => {
    serving.hasResourceProperties('AWS::ElasticLoadBalancingV2::LoadBalancer', {
      Scheme: 'internal',
      LoadBalancerAttributes: Match.arrayWith([{ Key: 'idle_timeout.timeout_seconds', Value: '95' }]),
    });
    serving.hasResourceProperties('AWS::ElasticLoadBalancingV2::TargetGroup', {
      TargetGroupAttributes: Match.arrayWith([
        { Key: 'load_balancing.algorithm.type', Value: 'least_outstanding_requests' },
      ]),
    });
  });

  test('leaves nothing of a function', () => {
    for (const type of ['AWS::Lambda::Function', 'AWS::ApiGateway::RestApi']) serving.resourceCountIs(type, 0);
  });
});

test('CloudFront reaches the load balancer by a VPC origin, for the routes of the API', () => {
  site!.hasResourceProperties('AWS::CloudFront::VpcOrigin', {
    VpcOriginEndpointConfig: { OriginProtocolPolicy: 'http-only' },
  });
  const [distribution] = Object.values(site!.findResources('AWS::CloudFront::Distribution')) as [any];
  const { Origins, CacheBehaviors } = distribution.Properties.DistributionConfig;
  const origin = Origins.find(({ VpcOriginConfig }: any) => VpcOriginConfig);
  expect(CacheBehaviors.map(({ TargetOriginId }: any) => TargetOriginId)).toContain(origin.Id);
  expect(Origins.filter(({ CustomOriginConfig }: any) => CustomOriginConfig)).toEqual([]);
  // scripts/deploy.sh asks there.
  expect(Object.keys(site!.findOutputs('*'))).toContain('Url');
});

test('its alarms and its dashboard take the place of those of the function', () => {
  const ids = Object.keys(serving.findResources('AWS::CloudWatch::Alarm')).map((id) => id.slice(0, -8));
  const ofFunction = ['ModelNotLoaded', 'ServerErrors', 'SlowColdStarts', 'SlowRequests'];
  expect(ids.toSorted()).toEqual([...ofFunction, 'UnhealthyTasks']);
  const [dashboard] = Object.values(observability.findResources('AWS::CloudWatch::Dashboard'));
  const body = JSON.stringify(dashboard);
  const metrics = ['RequestCount', 'TargetResponseTime', 'HTTPCode_Target_5XX_Count', 'HealthyHostCount'];
  const reported = ['Queue', 'TokensPerSecond', 'FirstToken', 'ColdStart'];
  for (const metric of [...metrics, ...reported, 'CPUUtilization']) expect(body).toContain(metric);
  expect(body).not.toContain('AWS/Lambda');
});

test.each([
  ['package', { package: 'zip' }],
  ['apiKeySha256', { apiKeySha256: [] }],
  ['apiKey', { apiKey: {} }],
  ['canary', { canary: {} }],
  ['memoryMb', { memoryMb: 2048 }],
  ['reservedConcurrency', { reservedConcurrency: 3 }],
  ['endpoint', { endpoint: 'function-url' }],
] as const)('refuses %s of functions', (path, more) => {
  const deploy = () => addTestStacks(newApp(), { serving: { ...ecs, ...more } as Serving });
  expect(deploy).toThrow(`test.serving.${path}: compute is ecs`);
});

test('without a page there is no way to it', () => {
  const deploy = () => addTestStacks(newApp(), { serving: ecs, site: { directory: 'no/such' } });
  expect(deploy).toThrow(/site\.directory: there is no .+no\/such, .+; scripts\/build-site\.sh builds it/);
});

test('refuses fewer tasks at most than at least', () => {
  const deploy = () => addTestStacks(newApp(), { serving: { ...ecs, service: { minTasks: 5 } } });
  expect(deploy).toThrow('test.serving.service.maxTasks: expected at least minTasks');
});
