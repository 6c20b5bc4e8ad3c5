/** Serving by a service that always runs: the function's image on Fargate, a load balancer, CloudFront. */
import { Duration, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import type * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type * as ecr from 'aws-cdk-lib/aws-ecr';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as elbv2 from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as logs from 'aws-cdk-lib/aws-logs';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import { leastMemoryGb } from '../../../settings/fargate.ts';
import type { Settings } from '../../../settings.ts';
import { repositoryOf } from '../../image-repository.ts';
import type { Endpoint } from '../endpoint.ts';
import type { AlarmProps } from '../model-alarms.ts';
import { mayReadModels } from '../read-models.ts';
import { environment } from '../serving-stack.ts';
import { ServiceNetwork } from './network.ts';
import { addServiceAlarms, serviceRows } from './service-alarms.ts';
import { serviceMetrics } from './service-metrics.ts';

export interface ServiceStackProps extends StackProps {
  readonly settings: Settings['serving'];
  readonly alarms: AlarmProps;
  readonly artifacts: s3.IBucket;
  readonly images: ecr.IRepository;
}

const PORT = 8080;
/** Share of the requests that a task takes at once above which another task is started. */
const FULL = 0.75;
/** The most time that Fargate gives a task between SIGTERM and its end. */
const LONGEST_STOP_SECONDS = 120;
/** Time for a task to load its model. */
const START = Duration.minutes(2);

export class ServiceStack extends Stack {
  readonly endpoint: Endpoint;
  readonly dashboardRows: cloudwatch.IWidget[][];

  constructor(scope: Construct, id: string, props: ServiceStackProps) {
    super(scope, id, props);
    const { settings } = props;
    const network = new ServiceNetwork(this, 'Network');
    const { balancer, targets } = this.balancer(network, settings);
    const service = this.service(network, props);
    service.attachToApplicationTargetGroup(targets);
    const metrics = serviceMetrics({ name: this.stackName, service, balancer, targets });
    const alarms = addServiceAlarms(this, metrics, props.alarms);
    service.enableDeploymentAlarms(
      alarms.map((alarm) => alarm.alarmName),
      { behavior: ecs.AlarmBehavior.ROLLBACK_ON_ALARM },
    );
    const { minTasks, maxTasks, requestsAtOnce } = settings.service;
    const scaling = service.autoScaleTaskCount({ minCapacity: minTasks, maxCapacity: maxTasks });
    scaling.scaleToTrackCustomMetric('Queue', { metric: metrics.queue, targetValue: FULL * requestsAtOnce });
    const { channel, challenger } = settings;
    this.dashboardRows = serviceRows(metrics, challenger ? [channel, challenger.channel] : []);
    this.endpoint = { domainName: balancer.loadBalancerDnsName, path: '', loadBalancer: balancer };
  }

  private balancer(network: ServiceNetwork, settings: Settings['serving']) {
    const balancer = new elbv2.ApplicationLoadBalancer(this, 'Balancer', {
      vpc: network.vpc,
      internetFacing: false,
      vpcSubnets: network.balancerSubnets,
      securityGroup: network.balancerGroup,
      dropInvalidHeaderFields: true,
      idleTimeout: Duration.seconds(settings.timeLimitSeconds + 5),
    });
    const targets = new elbv2.ApplicationTargetGroup(this, 'Tasks', {
      vpc: network.vpc,
      protocol: elbv2.ApplicationProtocol.HTTP,
      port: PORT,
      targetType: elbv2.TargetType.IP,
      // To the shortest queue.
      loadBalancingAlgorithmType: elbv2.TargetGroupLoadBalancingAlgorithmType.LEAST_OUTSTANDING_REQUESTS,
      // Not before there is a model. While one serves, it is ready, whatever becomes of the next.
      healthCheck: {
        path: '/ready',
        interval: Duration.seconds(10),
        healthyThresholdCount: 2,
        unhealthyThresholdCount: 3,
      },
      deregistrationDelay: Duration.seconds(settings.timeLimitSeconds),
    });
    // Only CloudFront asks it, over a connection of AWS. Browsers and programs speak HTTPS to CloudFront.
    balancer.addListener('Http', { port: 80, open: false, defaultTargetGroups: [targets] });
    return { balancer, targets };
  }

  private service(network: ServiceNetwork, props: ServiceStackProps): ecs.FargateService {
    return new ecs.FargateService(this, 'Service', {
      cluster: new ecs.Cluster(this, 'Cluster', { vpc: network.vpc }),
      taskDefinition: this.task(props),
      vpcSubnets: network.taskSubnets,
      assignPublicIp: true,
      securityGroups: [network.taskGroup],
      minHealthyPercent: 100,
      maxHealthyPercent: 200,
      // A deployment whose tasks do not become ready ends, and the one before stays.
      circuitBreaker: { enable: true, rollback: true },
      healthCheckGracePeriod: START,
      propagateTags: ecs.PropagatedTagSource.SERVICE,
    });
  }

  private task({ settings, artifacts, images }: ServiceStackProps): ecs.FargateTaskDefinition {
    const { vcpus, requestsAtOnce } = settings.service;
    const task = new ecs.FargateTaskDefinition(this, 'Task', {
      cpu: vcpus * 1024,
      memoryLimitMiB: leastMemoryGb(vcpus) * 1024,
      runtimePlatform: {
        cpuArchitecture: settings.architecture === 'arm64' ? ecs.CpuArchitecture.ARM64 : ecs.CpuArchitecture.X86_64,
        operatingSystemFamily: ecs.OperatingSystemFamily.LINUX,
      },
      taskRole: this.role(artifacts),
    });
    const logGroup = new logs.LogGroup(this, 'Log', {
      retention: settings.logDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    task.addContainer('Generate', {
      image: ecs.ContainerImage.fromEcrRepository(repositoryOf(this, images), settings.imageTag),
      command: ['--listen', `0.0.0.0:${PORT}`],
      portMappings: [{ containerPort: PORT }],
      environment: {
        ...environment(settings, artifacts),
        THREADS: String(vcpus),
        MAX_CONCURRENT: String(requestsAtOnce),
        // Metrics go to the log, by this name.
        METRICS_SERVICE: this.stackName,
      },
      logging: ecs.LogDriver.awsLogs({ logGroup, streamPrefix: 'generate' }),
      // Texts that have begun are written to their end.
      stopTimeout: Duration.seconds(Math.min(settings.timeLimitSeconds, LONGEST_STOP_SECONDS)),
    });
    return task;
  }

  private role(artifacts: s3.IBucket): iam.Role {
    const role = new iam.Role(this, 'GenerateRole', {
      assumedBy: new iam.ServicePrincipal('ecs-tasks.amazonaws.com'),
      description: 'What the service may do',
    });
    for (const statement of mayReadModels(artifacts)) role.addToPolicy(statement);
    return role;
  }
}
