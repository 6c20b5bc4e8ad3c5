#!/usr/bin/env node
/**
 * Stand-in for a tool that scripts/deploy.sh runs, by the name that it is called by: notes its arguments in the file
 * $NOTES, and makes in the account what the tool would. The SDK is loaded by what needs it, since many do not.
 */
import { createHash } from 'node:crypto';
import { appendFileSync, readFileSync, statSync } from 'node:fs';
import { basename } from 'node:path';

process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';
const [, program = '', ...args] = process.argv;
const tool = basename(program);
const note = (line) => appendFileSync(process.env.NOTES, `${line}\n`);

/** One stack, or `--all`; one that is there stays as it is. */
async function deploy(what) {
  const { CloudFormationClient, CreateStackCommand } = await import('@aws-sdk/client-cloudformation');
  const stage = args[args.indexOf('--context') + 1].replace('stage=', '');
  for (const [stack, template] of Object.entries(TEMPLATES)) {
    const StackName = `TroelsLLM-${stage}-${stack}`;
    if (what !== '--all' && what !== StackName) continue;
    const TemplateBody = JSON.stringify(template).replaceAll('STAGE', stage);
    await new CloudFormationClient({}).send(new CreateStackCommand({ StackName, TemplateBody })).catch((error) => {
      if (error.name !== 'AlreadyExistsException') throw error;
    });
  }
}

async function bootstrap() {
  const { PutParameterCommand, SSMClient } = await import('@aws-sdk/client-ssm');
  const parameter = { Name: '/cdk-bootstrap/hnb659fds/version', Value: '30', Type: 'String' };
  await new SSMClient({}).send(new PutParameterCommand(parameter));
}

async function push(address) {
  const { ECRClient, PutImageCommand } = await import('@aws-sdk/client-ecr');
  const [, repositoryName, imageTag] = /\/(.+):(.+)$/.exec(address);
  const imageManifestMediaType = 'application/vnd.oci.image.manifest.v1+json';
  const imageManifest = JSON.stringify({ schemaVersion: 2, mediaType: imageManifestMediaType, tag: imageTag });
  const imageDigest = `sha256:${createHash('sha256').update(imageManifest).digest('hex')}`;
  const image = { repositoryName, imageTag, imageDigest, imageManifest, imageManifestMediaType };
  await new ECRClient({}).send(new PutImageCommand(image));
}

function request() {
  const header = args.find((argument) => argument.startsWith('@'))?.slice(1);
  if (header) note(`header: ${(statSync(header).mode & 0o777).toString(8)} ${readFileSync(header, 'utf8').trim()}`);
  console.log('{}');
}

function repository(RepositoryName) {
  return { Type: 'AWS::ECR::Repository', DeletionPolicy: 'Retain', Properties: { RepositoryName } };
}

/** With the outputs of the real stacks; test/deploy.test.ts compares the names. */
const TEMPLATES = {
  Storage: {
    Resources: {
      Artifacts: { Type: 'AWS::S3::Bucket', DeletionPolicy: 'Retain' },
      Corpus: { Type: 'AWS::S3::Bucket', DeletionPolicy: 'Retain' },
      Training: repository('troelsllm-STAGE-storage-trainingimages1'),
      Function: repository('troelsllm-STAGE-storage-functionimages1'),
    },
    Outputs: {
      ModelStore: { Value: { 'Fn::Sub': 's3://${Artifacts}' } },
      CorpusBucket: { Value: { Ref: 'Corpus' } },
      TrainingRepository: { Value: { 'Fn::GetAtt': ['Training', 'RepositoryUri'] } },
      FunctionRepository: { Value: { 'Fn::GetAtt': ['Function', 'RepositoryUri'] } },
    },
  },
  Serving: {
    Resources: { Key: { Type: 'AWS::ApiGateway::ApiKey' } },
    Outputs: { Url: { Value: 'https://api.example.org/api/' }, FunctionName: { Value: 'generate' } },
  },
  Training: { Resources: { Topic: { Type: 'AWS::SNS::Topic' } } },
  Observability: { Resources: { Topic: { Type: 'AWS::SNS::Topic' } } },
  Site: {
    Resources: { Topic: { Type: 'AWS::SNS::Topic' } },
    Outputs: { SiteUrl: { Value: 'https://page.example.org' } },
  },
};

if (args[0] === '--version') {
  console.log(`${tool} ${(tool === 'curl' && process.env.CURL_VERSION) || '99.1.0'} (stand-in)`);
} else if (tool === 'docker' && ['info', 'buildx'].includes(args[0])) {
  if (process.env.DOCKER_IS_DOWN) {
    console.error('the daemon is not running');
    process.exitCode = 1;
  }
} else {
  note([tool, ...args].join(' '));
  if (tool === 'cdk' && args[0] === 'deploy') await deploy(args.at(-1));
  if (tool === 'cdk' && args[0] === 'bootstrap') await bootstrap();
  if (tool === 'docker' && args[0] === 'login') note(`password: ${readFileSync(0, 'utf8')}`);
  if (tool === 'docker' && args[0] === 'push') await push(args[1]);
  if (tool === 'curl') request();
}
