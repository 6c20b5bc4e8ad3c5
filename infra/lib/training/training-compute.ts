/** AWS Batch job queue and its compute environments (Fargate or EC2, Spot first), which scale to zero. */
import { Duration } from 'aws-cdk-lib';
import * as batch from 'aws-cdk-lib/aws-batch';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as iam from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import type { Settings } from '../../settings.ts';

export interface TrainingComputeProps {
  readonly settings: Settings['training'];
}

/** Of the two minutes' notice that EC2 gives; the rest is for the container to end. */
const STOP_TIMEOUT_SECONDS = 110;

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
      userData: withLongStopTimeout(),
    });
    return (spot) =>
      new batch.ManagedEc2EcsComputeEnvironment(this, spot ? 'Ec2Spot' : 'Ec2', {
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
  }
}

/** User data that gives a container the whole notice to write a checkpoint; ECS would end it after 30 seconds. */
function withLongStopTimeout(): ec2.UserData {
  const commands = ec2.UserData.forLinux();
  commands.addCommands(
    `echo ECS_CONTAINER_STOP_TIMEOUT=${STOP_TIMEOUT_SECONDS}s >> /etc/ecs/ecs.config`,
    'echo ECS_ENABLE_SPOT_INSTANCE_DRAINING=true >> /etc/ecs/ecs.config',
  );
  // Batch accepts only multipart user data, to which it adds a part.
  const userData = new ec2.MultipartUserData();
  userData.addUserDataPart(commands, ec2.MultipartBody.SHELL_SCRIPT, true);
  return userData;
}
