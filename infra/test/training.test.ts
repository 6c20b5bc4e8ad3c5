/** Training stack: job, compute environments, schedule. */
import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, test } from 'vitest';
import type { SettingsInput } from '../settings.ts';
import { synthesize, synthesizeStage } from './support.ts';

type Training = SettingsInput['training'];

const trainingOf = (training: Training = {}, channel = 'live') =>
  synthesize({ training: training ?? {}, serving: { channel } }).training;
const defaults = trainingOf();
const schedule = { cron: '15 4 ? * MON *', timeZone: 'America/New_York', flexibleMinutes: 20 };
const scheduled = trainingOf({ schedule });

const containerOf = (template: typeof defaults): any => {
  const [{ Properties }] = Object.values(template.findResources('AWS::Batch::JobDefinition')) as [any];
  return Properties.ContainerProperties;
};
const environmentOf = (template: typeof defaults): Record<string, unknown> =>
  Object.fromEntries(containerOf(template).Environment.map(({ Name, Value }: any) => [Name, Value]));

describe('the job', () => {
  test('runs the image of the repository with what the settings say', () => {
    const template = trainingOf(
      { preset: 'books', corpusPrefix: 'austen/', margin: 0.2, checkpointEverySteps: 7, imageTag: 'v3' },
      'canary',
    );
    const { Image, Command } = containerOf(template);
    expect(Command).toBeUndefined();
    expect(JSON.stringify(Image)).toContain(':v3');
    const environment = environmentOf(template);
    expect(environment).toMatchObject({
      PRESET: 'books',
      PROMOTE: 'canary',
      MARGIN: '0.2',
      CHECKPOINT_EVERY_STEPS: '7',
      CORPUS: { 'Fn::Join': ['', ['s3://', expect.anything(), '/austen/']] },
      MODEL_STORE: { 'Fn::Join': ['', ['s3://', expect.anything()]] },
    });
    expect(environment).not.toHaveProperty('INIT');
  });

  test('starts from the served model where that is wanted', () => {
    trainingOf({ start: 'current' }, 'canary').hasResourceProperties('AWS::Batch::JobDefinition', {
      ContainerProperties: { Environment: Match.arrayWith([{ Name: 'INIT', Value: 'channel:canary' }]) },
    });
  });

  test('signs with the key of the settings, or with a new one that the curve fits', () => {
    const arn = 'arn:aws:kms:eu-west-1:123456789012:key/12345678-1234-1234-1234-123456789012';
    const signingKeyOf = (template: typeof defaults) => environmentOf(template).SIGNING_KEY;
    expect(signingKeyOf(defaults)).toBeUndefined();
    defaults.resourceCountIs('AWS::KMS::Key', 0);
    const given = trainingOf({ signingKey: arn });
    expect(signingKeyOf(given)).toBe(`awskms:${arn}`);
    given.resourceCountIs('AWS::KMS::Key', 0);

    const created = trainingOf({ signingKey: 'create' });
    const keyArn = { 'Fn::GetAtt': [expect.stringMatching(/^SigningKey/), 'Arn'] };
    expect(signingKeyOf(created)).toEqual({ 'Fn::Join': ['', ['awskms:', keyArn]] });
    created.hasResource('AWS::KMS::Key', {
      Properties: { KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' },
      DeletionPolicy: 'Retain',
    });
    for (const template of [given, created]) {
      const { Value } = template.findOutputs('ShowPublicKey').ShowPublicKey!;
      expect(JSON.stringify(Value)).toMatch(/aws kms get-public-key --key-id .+ --query PublicKey --output text/);
    }
  });

  test('goes on elsewhere when its machine is taken, and at no other end', () => {
    trainingOf({ attempts: 4, maxHours: 2 }).hasResourceProperties('AWS::Batch::JobDefinition', {
      Timeout: { AttemptDurationSeconds: 7200 },
      RetryStrategy: {
        Attempts: 4,
        EvaluateOnExit: [
          { Action: 'RETRY', OnStatusReason: 'Host EC2*' },
          { Action: 'RETRY', OnStatusReason: 'Your Spot Task was interrupted*' },
          { Action: 'RETRY', OnExitCode: '143' },
          { Action: 'EXIT', OnReason: '*' },
        ],
      },
    });
  });

  test('has the processors and the memory of the settings', () => {
    trainingOf({ vcpus: 8, memoryGb: 20 }).hasResourceProperties('AWS::Batch::JobDefinition', {
      PlatformCapabilities: ['FARGATE'],
      ContainerProperties: {
        ResourceRequirements: [
          { Type: 'MEMORY', Value: '20480' },
          { Type: 'VCPU', Value: '8' },
        ],
      },
    });
  });
});

test('tags of the stage reach the tasks, which costs are booked on', () => {
  const { training } = synthesizeStage('prod');
  const definitions = Object.values(training.findResources('AWS::Batch::JobDefinition'));
  expect(definitions.map(({ Properties }) => [Properties.PropagateTags, Properties.Tags])).toEqual(
    Array(2).fill([true, { project: 'TroelsLLM', stage: 'test' }]),
  );
  // Instances take theirs from the compute environment.
  trainingOf({ compute: 'ec2' }).allResourcesProperties('AWS::Batch::ComputeEnvironment', {
    ComputeResources: { Tags: { project: 'TroelsLLM', stage: 'test' } },
  });
});

test('a job that no machine is large enough for is cancelled within the hour, one that waits for capacity in a day', () => {
  defaults.hasResourceProperties('AWS::Batch::JobQueue', {
    JobStateTimeLimitActions: [
      ['MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE', 1800],
      ['MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT', 1800],
      ['CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY', 86_400],
    ].map(([Reason, MaxTimeSeconds]) => ({ Action: 'CANCEL', State: 'RUNNABLE', Reason, MaxTimeSeconds })),
  });
});

describe('storage', () => {
  test('is what comes with the machine, if none is set', () => {
    expect(containerOf(defaults)).not.toHaveProperty('EphemeralStorage');
    trainingOf({ compute: 'ec2' }).hasResourceProperties('AWS::EC2::LaunchTemplate', {
      LaunchTemplateData: { BlockDeviceMappings: Match.absent() },
    });
  });

  test('is that of the task on Fargate, and the root volume of an instance', () => {
    expect(containerOf(trainingOf({ storageGb: 150 })).EphemeralStorage).toEqual({ SizeInGiB: 150 });
    const template = trainingOf({ compute: 'ec2', storageGb: 500 });
    expect(containerOf(template)).not.toHaveProperty('EphemeralStorage');
    template.hasResourceProperties('AWS::EC2::LaunchTemplate', {
      LaunchTemplateData: {
        BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { VolumeSize: 500, VolumeType: 'gp3', Encrypted: true } }],
      },
    });
  });
});

describe('jobs run', () => {
  const kinds = (template: typeof defaults) =>
    Object.values(template.findResources('AWS::Batch::ComputeEnvironment')).map(
      ({ Properties }) => Properties.ComputeResources.Type,
    );

  test('on spare capacity of Fargate, else on other', () => {
    expect(kinds(defaults)).toEqual(['FARGATE_SPOT', 'FARGATE']);
    defaults.hasResourceProperties('AWS::Batch::JobQueue', {
      ComputeEnvironmentOrder: ['FargateSpot', 'Fargate'].map((kind, index) => ({
        Order: index + 1,
        ComputeEnvironment: { 'Fn::GetAtt': [Match.stringLikeRegexp(`^Compute${kind}[0-9A-F]{8}$`), 'ComputeEnvironmentArn'] },
      })),
    });
    expect(kinds(trainingOf({ spot: false }))).toEqual(['FARGATE']);
  });

  test('on instances with a GPU, which are there only while a job is', () => {
    const template = trainingOf({ compute: 'ec2', gpus: 1, maxVcpus: 4 });
    expect(kinds(template)).toEqual(['SPOT', 'EC2']);
    template.allResourcesProperties('AWS::Batch::ComputeEnvironment', {
      ComputeResources: {
        MinvCpus: 0,
        MaxvCpus: 4,
        // The default job, 4 vCPUs and 8 GB, on the smallest of each family.
        InstanceTypes: ['g6.xlarge', 'g5.xlarge', 'g6e.xlarge'],
        // Its driver is 580, and CUDA 12.8 was made with 570.26: https://github.com/aws/amazon-ecs-ami/releases/tag/20261113
        Ec2Configuration: [{ ImageType: 'ECS_AL2023_NVIDIA' }],
      },
    });
    template.hasResourceProperties('AWS::Batch::JobDefinition', {
      ContainerProperties: { ResourceRequirements: Match.arrayWith([{ Type: 'GPU', Value: '1' }]) },
    });
    expect(environmentOf(template)).toMatchObject({ DEVICE: 'cuda', DEVICES: '1' });
    expect(containerOf(template)).not.toHaveProperty('LinuxParameters');
    template.hasResourceProperties('AWS::EC2::LaunchTemplate', {
      LaunchTemplateData: { MetadataOptions: { HttpTokens: 'required' } },
    });
  });

  test('on several GPUs, whose processes share memory', () => {
    const template = trainingOf({ compute: 'ec2', gpus: 4, memoryGb: 32 });
    template.allResourcesProperties('AWS::Batch::ComputeEnvironment', {
      ComputeResources: { InstanceTypes: ['g6.12xlarge', 'g5.12xlarge', 'g6e.12xlarge'] },
    });
    expect(containerOf(template).LinuxParameters).toMatchObject({ SharedMemorySize: 16_384 });
    expect(environmentOf(template)).toMatchObject({ DEVICE: 'cuda', DEVICES: '4' });
  });

  test('where gpt computes is its own choice without a GPU', () => {
    expect(environmentOf(defaults)).not.toHaveProperty('DEVICE');
    expect(environmentOf(defaults)).not.toHaveProperty('DEVICES');
  });

  test('on instances that are as the newest settings say', () => {
    const id = { Ref: Match.stringLikeRegexp('^ComputeLaunchTemplate') };
    trainingOf({ compute: 'ec2' }).allResourcesProperties('AWS::Batch::ComputeEnvironment', {
      ComputeResources: {
        LaunchTemplate: { LaunchTemplateId: id, Version: { 'Fn::GetAtt': [id.Ref, 'LatestVersionNumber'] } },
      },
    });
  });

  test('on instances of the settings without one', () => {
    const template = trainingOf({ compute: 'ec2', spot: false });
    template.allResourcesProperties('AWS::Batch::ComputeEnvironment', {
      ComputeResources: {
        Type: 'EC2',
        InstanceTypes: ['m7i.xlarge', 'm6i.xlarge', 'r7i.xlarge'],
        Ec2Configuration: [{ ImageType: 'ECS_AL2023' }],
      },
    });
  });

  test('in a network that nothing can enter and that costs nothing', () => {
    defaults.resourceCountIs('AWS::EC2::NatGateway', 0);
    defaults.allResourcesProperties('AWS::EC2::SecurityGroup', {
      SecurityGroupIngress: Match.absent(),
      SecurityGroupEgress: [Match.objectLike({ IpProtocol: 'tcp', FromPort: 443, ToPort: 443 })],
    });
    defaults.resourceCountIs('AWS::EC2::SecurityGroupIngress', 0);
    defaults.hasResourceProperties('AWS::EC2::VPCEndpoint', { VpcEndpointType: 'Gateway' });
  });
});

describe('the schedule', () => {
  test('submits the job to the queue at its hour', () => {
    scheduled.hasResourceProperties('AWS::Scheduler::Schedule', {
      ScheduleExpression: 'cron(15 4 ? * MON *)',
      ScheduleExpressionTimezone: 'America/New_York',
      FlexibleTimeWindow: { Mode: 'FLEXIBLE', MaximumWindowInMinutes: 20 },
      State: 'ENABLED',
      Target: {
        Arn: { 'Fn::Join': ['', ['arn:', { Ref: 'AWS::Partition' }, ':scheduler:::aws-sdk:batch:submitJob']] },
        Input: {
          'Fn::Join': [
            '',
            [
              '{"JobName":"retraining","JobQueue":"',
              { 'Fn::GetAtt': [Match.stringLikeRegexp('^ComputeQueue'), 'JobQueueArn'] },
              '","JobDefinition":"',
              { Ref: Match.stringLikeRegexp('^JobDefinition') },
              '"}',
            ],
          ],
        },
      },
    });
  });

  test('is not there if none is set', () => {
    defaults.resourceCountIs('AWS::Scheduler::Schedule', 0);
  });
});

test('the outputs say how to train by hand', () => {
  const value = (name: string) => JSON.stringify(defaults.findOutputs(name)[name]?.Value);
  expect(value('Train')).toMatch(/aws batch submit-job --job-queue .+ --job-definition /);
  expect(value('TrainPresets')).toContain('--array-properties size=2');
});
