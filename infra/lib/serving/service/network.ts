/** Network of the service: tasks that reach the internet, and a load balancer that nobody reaches from there. */
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import { Construct } from 'constructs';

export class ServiceNetwork extends Construct {
  readonly vpc: ec2.Vpc;
  /** For tasks: public subnets need no NAT gateway, which would cost 32 USD a month. */
  readonly taskSubnets: ec2.SubnetSelection = { subnetType: ec2.SubnetType.PUBLIC };
  /** For the load balancer: CloudFront has its own way into them, a VPC origin. */
  readonly balancerSubnets: ec2.SubnetSelection = { subnetType: ec2.SubnetType.PRIVATE_ISOLATED };
  readonly balancerGroup: ec2.SecurityGroup;
  readonly taskGroup: ec2.SecurityGroup;

  constructor(scope: Construct, id: string) {
    super(scope, id);
    this.vpc = new ec2.Vpc(this, 'Vpc', {
      natGateways: 0,
      maxAzs: 2,
      subnetConfiguration: [
        { name: 'tasks', subnetType: ec2.SubnetType.PUBLIC, mapPublicIpOnLaunch: true },
        { name: 'balancer', subnetType: ec2.SubnetType.PRIVATE_ISOLATED },
      ],
      gatewayEndpoints: { S3: { service: ec2.GatewayVpcEndpointAwsService.S3 } },
      // Restricting it takes a function of its own, and no resource uses that group.
      restrictDefaultSecurityGroup: false,
    });
    this.balancerGroup = new ec2.SecurityGroup(this, 'BalancerGroup', {
      vpc: this.vpc,
      description: 'Load balancer: CloudFront comes in, tasks are asked',
      allowAllOutbound: false,
    });
    // CloudFront's requests have addresses of its own, which no template knows. The load balancer has no public one:
    // nobody else of the internet comes this far.
    this.balancerGroup.addIngressRule(ec2.Peer.anyIpv4(), ec2.Port.tcp(80), 'CloudFront');
    this.taskGroup = new ec2.SecurityGroup(this, 'TaskGroup', {
      vpc: this.vpc,
      description: 'Tasks: the load balancer comes in, HTTPS goes out',
      allowAllOutbound: false,
    });
    this.taskGroup.addEgressRule(ec2.Peer.anyIpv4(), ec2.Port.tcp(443), 'S3, ECR, CloudWatch');
  }
}
