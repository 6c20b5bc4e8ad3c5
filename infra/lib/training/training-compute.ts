/** AWS Batch job queue and its compute environments (Fargate or EC2, Spot first), which scale to zero. */
import { Duration } from 'aws-cdk-lib';
import * as batch from 'aws-cdk-lib/aws-batch';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as iam from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import type { Settings } from '../../settings.ts';
import { userData } from './user-data.ts';

export interface TrainingComputeProps {
  readonly settings: Settings['training'];
}

const { INSUFFICIENT_INSTANCE_CAPACITY, COMPUTE_ENVIRONMENT_MAX_RESOURCE, JOB_RESOURCE_REQUIREMENT } =
  batch.JobStateTimeLimitActionsReason;

/**
 * When a job that waits is cancelled, and so has failed. What no machine is large enough for never starts; for lack of
 * capacity it may wait a day, the most that Batch allows. That it waits is told before: RetrainingWaits.
 */
const TIME_LIMITS: batch.JobStateTimeLimitAction[] = [
  { reason: COMPUTE_ENVIRONMENT_MAX_RESOURCE, maxTime: Duration.minutes(30) },
  { reason: JOB_RESOURCE_REQUIREMENT, maxTime: Duration.minutes(30) },
  { reason: INSUFFICIENT_INSTANCE_CAPACITY, maxTime: Duration.days(1) },
];

export class TrainingCompute extends Construct {
  readonly queue: batch.JobQueue;
  /** Where jobs run. */
  readonly network: { vpc: ec2.IVpc; securityGroups: ec2.ISecurityGroup[]; vpcSubnets: ec2.SubnetSelection };

  constructor(scope: Construct, id: string, { settings }: TrainingComputeProps) {
    super(scope, id);
    const vpc = new ec2.Vpc(this, 'Vpc', {
      // Public subnets need no NAT gateway, which would cost 32 USD a month. Nothing can reach the jobs.
      natGateways: 0,
      maxAzs: 3,
      subnetConfiguration: [{ name: 'public', subnetType: ec2.SubnetType.PUBLIC, mapPublicIpOnLaunch: true }],
      gatewayEndpoints: { S3: { service: ec2.GatewayVpcEndpointAwsService.S3 } },
      // Restricting it takes a function of its own, and no resource uses that group.
      restrictDefaultSecurityGroup: false,
    });
    const securityGroup = new ec2.SecurityGroup(this, 'SecurityGroup', {
      vpc,
      description: 'Training jobs: nobody comes in, HTTPS goes out',
      allowAllOutbound: false,
    });
    securityGroup.addEgressRule(ec2.Peer.anyIpv4(), ec2.Port.tcp(443), 'S3, ECR, CloudWatch, texts from elsewhere');

    this.network = { vpc, securityGroups: [securityGroup], vpcSubnets: { subnetType: ec2.SubnetType.PUBLIC } };
    const environment =
      settings.compute === 'fargate'
        ? (spot: boolean) =>
            new batch.FargateComputeEnvironment(this, spot ? 'FargateSpot' : 'Fargate', {
              ...this.network,
              spot,
              maxvCpus: settings.maxVcpus,
            })
        : this.instances(settings, this.network);
    // Batch tries the next environment when one has no capacity.
    const kinds = settings.spot ? [true, false] : [false];
    this.queue = new batch.JobQueue(this, 'Queue', {
      computeEnvironments: kinds.map((spot, index) => ({ computeEnvironment: environment(spot), order: index + 1 })),
      jobStateTimeLimitActions: TIME_LIMITS,
    });
  }

  private instances(
    settings: Settings['training'],
    network: TrainingCompute['network'],
  ): (spot: boolean) => batch.IManagedComputeEnvironment {
    const instanceRole = new iam.Role(this, 'InstanceRole', {
      assumedBy: new iam.ServicePrincipal('ec2.amazonaws.com'),
      managedPolicies: [
        iam.ManagedPolicy.fromAwsManagedPolicyName('service-role/AmazonEC2ContainerServiceforEC2Role'),
      ],
    });
    const launchTemplate = new ec2.LaunchTemplate(this, 'LaunchTemplate', {
      requireImdsv2: true,
      userData: userData(),
      ...(settings.storageGb !== null && { blockDevices: [rootVolume(settings.storageGb)] }),
    });
    return (spot) => {
      const environment = new batch.ManagedEc2EcsComputeEnvironment(this, spot ? 'Ec2Spot' : 'Ec2', {
        ...network,
        spot,
        minvCpus: 0,
        maxvCpus: settings.maxVcpus,
        instanceTypes: settings.instanceTypes.map((type) => new ec2.InstanceType(type)),
        useOptimalInstanceClasses: false,
        allocationStrategy: spot
          ? batch.AllocationStrategy.SPOT_PRICE_CAPACITY_OPTIMIZED
          : batch.AllocationStrategy.BEST_FIT_PROGRESSIVE,
        images: [
          {
            imageType:
              settings.gpus > 0 ? batch.EcsMachineImageType.ECS_AL2023_NVIDIA : batch.EcsMachineImageType.ECS_AL2023,
          },
        ],
        instanceRole,
        launchTemplate,
        updateTimeout: Duration.minutes(30),
      });
      // Without it, Batch stays with the first version of the template.
      (environment.node.defaultChild as batch.CfnComputeEnvironment).addPropertyOverride(
        'ComputeResources.LaunchTemplate.Version',
        launchTemplate.latestVersionNumber,
      );
      return environment;
    };
  }
}

/** Root volume of an instance, which holds its images and containers. */
function rootVolume(storageGb: number): ec2.BlockDevice {
  const volumeType = ec2.EbsDeviceVolumeType.GP3;
  return { deviceName: '/dev/xvda', volume: ec2.BlockDeviceVolume.ebs(storageGb, { volumeType, encrypted: true }) };
}
