/** Suppressions of cdk-nag's AWS Solutions rules: each at the construct where it does not apply, with the reason. */
import { type CfnElement, CfnOutput, Fn, type Stack, Validations } from 'aws-cdk-lib';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct, type IConstruct } from 'constructs';
import type { ServingStack } from './serving/serving-stack.ts';
import type { SiteStack } from './site/site-stack.ts';
import type { Stacks } from './stacks.ts';

/** `[path, rule, reason]`: the construct's path below its stack, and the rule that does not apply to it. */
type Acknowledgement = [path: string, rule: string, reason: string];

const REST_API: Acknowledgement[] = [
  ['Api/RestApi', 'APIG2', 'the function validates requests and answers with the field that is wrong'],
  ['Api/RestApi', 'APIG3', 'a firewall costs 8 USD a month while idle; serving.waf adds one'],
  ['Api/RestApi', 'APIG4', 'a public API; serving.apiKey or serving.apiKeySha256 ask for a key'],
  ['Api/RestApi', 'COG4', 'callers are programs and pages without accounts: there are no users to sign in'],
];

const API_LOG_ROLE: Acknowledgement[] = [
  ['Api/RestApi/CloudWatchRole', managedPolicy('AmazonAPIGatewayPushToCloudWatchLogs'), 'what AWS documents for this role'],
];

const MANAGED_INSTANCES: Acknowledgement[] = [
  ['ManagedInstances/Vpc', 'VPC7', 'nothing can reach the instances, and Lambda logs what they do'],
  ['ManagedInstances/Provider/OperatorRole', 'IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/AWSLambdaManagedEC2ResourceOperator]', 'what AWS documents for this role'],
];

const SERVICE: Acknowledgement[] = [
  ['Network/Vpc', 'VPC7', 'the load balancer is all that reaches the tasks, and they log what they do'],
  ['Network/BalancerGroup', 'EC23', 'it has no public address: of the internet only CloudFront comes this far'],
  ['Balancer', 'ELB2', 'the tasks log every request'],
  ['Cluster', 'ECS4', 'they would cost more than all other metrics; the load balancer counts what alarms need'],
  ['Task', 'ECS2', 'none of them is secret: keys are there as their digests'],
  ['Task/ExecutionRole', 'IAM5[Resource::*]', 'ecr:GetAuthorizationToken knows no resources'],
];

/** Rights of the smoke test and of CodeDeploy. */
function canary(serving: ServingStack): Acknowledgement[] {
  const versionsOf = (path: string) => {
    const resource = below(serving, path).node.defaultChild as CfnElement;
    return `IAM5[Resource::<${serving.getLogicalId(resource)}.Arn>:*]`;
  };
  return [
    ['Canary/Role', versionsOf(serving.function.node.id), 'each deployment makes a version'],
    ['Canary/Group/ServiceRole', versionsOf('Canary/SmokeTest'), 'how the library grants the invocation of a function'],
    ['Canary/Group/ServiceRole', managedPolicy('AWSCodeDeployRoleForLambdaLimited'), 'what AWS documents for it'],
  ];
}

const TRAINING: Acknowledgement[] = [
  ['Job/Container/ExecutionRole', 'IAM5[Resource::*]', 'ecr:GetAuthorizationToken knows no resources'],
  ['Compute/Vpc', 'VPC7', 'nothing can reach the jobs, and flow logs would cost more than the jobs'],
];

const PRUNING: Acknowledgement[] = [
  ['Pruning/Container/ExecutionRole', 'IAM5[Resource::*]', 'ecr:GetAuthorizationToken knows no resources'],
];

const TRAINING_ON_EC2: Acknowledgement[] = [
  ['Compute/InstanceRole', managedPolicy('AmazonEC2ContainerServiceforEC2Role'), 'what AWS documents for instances of ECS'],
];

const SITE: Acknowledgement[] = [
  ['Distribution', 'CFR1', 'for readers everywhere'],
  ['Distribution', 'CFR2', 'static pages; the API behind them has its own throttling and firewall'],
  ['Distribution', 'CFR3', 'pages are not counted; requests to the API and to the bucket are logged there'],
  ['Distribution', 'CFR4', 'without a domain of its own CloudFront allows no other certificate; site.domain sets one'],
];

/** The library's own function behind BucketDeployment, and where the library puts it. */
const UPLOAD_FUNCTION = 'Custom::CDKBucketDeployment8693BB64968944B69AAFB0CC9EB8756C';

/** Rights of the upload function: it reads the deployment's assets and writes the bucket of the pages. */
function uploadFunction(site: SiteStack): Acknowledgement[] {
  const pages = site.getLogicalId(site.pages.node.defaultChild as s3.CfnBucket);
  const assets = 'arn:<AWS::Partition>:s3:::cdk-hnb659fds-assets-<AWS::AccountId>-<AWS::Region>';
  const rights = ['GetBucket*', 'GetObject*', 'List*', 'Abort*', 'DeleteObject*'].map((right) => `Action::s3:${right}`);
  const findings = [...rights, `Resource::${assets}/*`, `Resource::<${pages}.Arn>/*`].map((finding): Acknowledgement => [
    `${UPLOAD_FUNCTION}/ServiceRole`,
    `IAM5[${finding}]`,
    'what BucketDeployment needs to make the bucket of the pages equal to a folder',
  ]);
  return [
    ...findings,
    [`${UPLOAD_FUNCTION}/ServiceRole`, 'IAM5[Resource::*]', 'the library allows cloudfront:CreateInvalidation everywhere'],
    [`${UPLOAD_FUNCTION}/ServiceRole`, managedPolicy('AWSLambdaBasicExecutionRole'), 'the library chooses the role'],
    [UPLOAD_FUNCTION, 'L1', 'the library chooses the runtime'],
  ];
}

export function acknowledge({ storage, serving, training, site }: Stacks): void {
  apply(serving, serving.endpoint.api ? REST_API : []);
  if (serving.endpoint.api?.node.tryFindChild('CloudWatchRole')) apply(serving, API_LOG_ROLE);
  if (serving.node.tryFindChild('ManagedInstances')) apply(serving, MANAGED_INSTANCES);
  if (serving.endpoint.loadBalancer) apply(serving, SERVICE);
  if ('function' in serving && serving.node.tryFindChild('Canary')) apply(serving, canary(serving));
  apply(training, TRAINING);
  const pruning = training.node.tryFindChild('Pruning') !== undefined;
  if (pruning) apply(training, PRUNING);
  if (training.node.tryFindChild('Compute')?.node.tryFindChild('InstanceRole')) apply(training, TRAINING_ON_EC2);
  if (site) apply(site, [...SITE, ...uploadFunction(site)]);

  const noLogs = (bucket: string): Acknowledgement => [bucket, 'S1', 'a disposable stage logs no access'];
  if (storage.accessLogs) apply(storage, [['AccessLogs', 'S1', 'it holds the logs']]);
  else apply(storage, [noLogs('Artifacts'), noLogs('Corpus')]);
  if (site && !storage.accessLogs) apply(site, [noLogs('Pages')]);

  const { artifacts, corpus } = storage;
  const versions = 'versions come and go without a deployment';
  apply(serving, wildcards(storage, 'GenerateRole', artifacts, ['models/*', 'channels/*'], versions));
  apply(training, wildcards(storage, 'JobRole', artifacts, ['models/*', 'channels/*', 'checkpoints/*'], versions));
  if (pruning) {
    const keys = ['channels/*', 'models/*/manifest.json', 'models/*'];
    apply(training, wildcards(storage, 'Pruning/Role', artifacts, keys, versions));
  }
  apply(training, wildcards(storage, 'JobRole', corpus, [`${training.corpusPrefix}*`], 'texts come and go'));
}

function managedPolicy(name: string): string {
  return `IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/${name}]`;
}

/** Suppressions for a role of another stack that reaches all objects below `keys`, and no others. */
function wildcards(
  storage: Stack,
  role: string,
  bucket: s3.IBucket,
  keys: string[],
  reason: string,
): Acknowledgement[] {
  const isAdopted = bucket.node.defaultChild === undefined;
  const arn = isAdopted
    ? `arn:<AWS::Partition>:s3:::${bucket.bucketName}`
    : JSON.stringify(storage.resolve(referenceTo(storage, bucket.bucketArn)));
  return keys.map((key) => [role, `IAM5[Resource::${arn}/${key}]`, reason]);
}

/**
 * What a weak reference of another stack to `value` becomes. The library makes its output when all stacks are complete,
 * which is too late for its name to be known here, unless there is one at the place where the library looks.
 */
function referenceTo(producer: Stack, value: string): string {
  const scope = producer.node.tryFindChild('Publish') ?? new Construct(producer, 'Publish');
  const id = `Output${JSON.stringify(producer.resolve(value))}`;
  const output = (scope.node.tryFindChild(id) as CfnOutput | undefined) ?? new CfnOutput(scope, id, { value });
  return Fn.getStackOutput(producer.stackName, producer.getLogicalId(output), producer.region);
}

function apply(stack: Stack, acknowledgements: Acknowledgement[]): void {
  for (const [path, rule, reason] of acknowledgements) {
    Validations.of(below(stack, path)).acknowledge({ id: `AwsSolutions-${rule}`, reason });
  }
}

/** The construct at a path below its stack. */
function below(stack: Stack, path: string): IConstruct {
  return path.split('/').reduce<IConstruct>((found, id) => found.node.findChild(id), stack);
}
