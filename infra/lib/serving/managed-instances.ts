/** Lambda Managed Instances: the function on EC2 instances that Lambda manages, with several requests at once. */
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import type { Settings } from '../../settings.ts';

export interface ManagedInstancesProps {
  readonly settings: NonNullable<Settings['serving']['managedInstances']>;
  readonly architecture: lambda.Architecture;
}

export class ManagedInstances extends Construct {
  private readonly settings: ManagedInstancesProps['settings'];
  private readonly provider: lambda.CapacityProvider;

  constructor(scope: Construct, id: string, { settings, architecture }: ManagedInstancesProps) {
    super(scope, id);
    this.settings = settings;
    const vpc = new ec2.Vpc(this, 'Vpc', {
      // Public subnets need no NAT gateway, which would cost 32 USD a month. Nothing can reach the instances.
      natGateways: 0,
      maxAzs: 3,
      subnetConfiguration: [{ name: 'public', subnetType: ec2.SubnetType.PUBLIC, mapPublicIpOnLaunch: true }],
      gatewayEndpoints: { S3: { service: ec2.GatewayVpcEndpointAwsService.S3 } },
      // Restricting it takes a function of its own, and no resource uses that group.
      restrictDefaultSecurityGroup: false,
    });
    const securityGroup = new ec2.SecurityGroup(this, 'SecurityGroup', {
      vpc,
      description: 'Function: nobody comes in, HTTPS goes out',
      allowAllOutbound: false,
    });
    securityGroup.addEgressRule(ec2.Peer.anyIpv4(), ec2.Port.tcp(443), 'S3, CloudWatch');
    this.provider = new lambda.CapacityProvider(this, 'Provider', {
      subnets: vpc.publicSubnets,
      securityGroups: [securityGroup],
      architectures: [architecture],
      maxVCpuCount: settings.maxVcpus,
    });
  }

  /** Puts a function on the instances. */
  add(target: lambda.Function): void {
    const { requestsAtOnce, gbPerVcpu, minEnvironments, maxEnvironments } = this.settings;
    this.provider.addFunction(target, {
      perExecutionEnvironmentMaxConcurrency: requestsAtOnce,
      executionEnvironmentMemoryGiBPerVCpu: gbPerVcpu,
      // Requests go to the published version that the alias names.
      publishToLatestPublished: false,
    });
    const version = target.currentVersion.node.defaultChild as lambda.CfnVersion;
    version.functionScalingConfig = { minExecutionEnvironments: minEnvironments, maxExecutionEnvironments: maxEnvironments };
  }
}
