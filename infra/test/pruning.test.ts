/** Pruning of the model store: its job, its schedule, and whom its failure is told. */
import { Match } from 'aws-cdk-lib/assertions';
import { expect, test } from 'vitest';
import type { SettingsInput } from '../settings.ts';
import { readable, synthesize, synthesizeStage } from './support.ts';

const when = { cron: '15 4 ? * MON *', timeZone: 'America/New_York' };
const pruned = (more: SettingsInput = {}) => synthesize({ storage: { prune: { ...when, keep: 3 } }, ...more });

test('the job runs `gpt prune` in the training image, on the smallest machine', () => {
  const { training } = pruned({ training: { imageTag: 'v3' } });
  training.hasResourceProperties('AWS::Batch::JobDefinition', {
    PlatformCapabilities: ['FARGATE'],
    ContainerProperties: {
      Command: ['gpt', 'prune', '--keep', '3'],
      Image: { 'Fn::Join': ['', Match.arrayWith([':v3'])] },
      Environment: [{ Name: 'MODEL_STORE', Value: Match.anyValue() }],
      ResourceRequirements: [
        { Type: 'MEMORY', Value: '1024' },
        { Type: 'VCPU', Value: '0.25' },
      ],
    },
  });
});

test.each(['fargate', 'ec2'] as const)('it runs on Fargate when training is on %s, and waits for none', (compute) => {
  const { training } = pruned({ training: { compute } });
  const [queue] = Object.entries(training.findResources('AWS::Batch::JobQueue')).filter(([id]) => /^Pruning/.test(id));
  const environments = queue![1].Properties.ComputeEnvironmentOrder.map(
    ({ ComputeEnvironment }: any) => ComputeEnvironment['Fn::GetAtt'][0],
  );
  const [environment] = environments.map((id: string) => training.findResources('AWS::Batch::ComputeEnvironment')[id]);
  expect(environments).toHaveLength(1);
  expect(environment.Properties.ComputeResources.Type).toBe('FARGATE');
});

test('it runs when it should', () => {
  pruned().training.hasResourceProperties('AWS::Scheduler::Schedule', {
    ScheduleExpression: 'cron(15 4 ? * MON *)',
    ScheduleExpressionTimezone: 'America/New_York',
    Target: { Input: Match.objectLike({ 'Fn::Join': ['', Match.arrayWith([Match.stringLikeRegexp('pruning')])] }) },
  });
});

test('its failure is told as that of a training', () => {
  const [rule] = Object.values(pruned().observability.findResources('AWS::Events::Rule'));
  const { status, jobQueue } = rule!.Properties.EventPattern.detail;
  expect(status).toEqual(['FAILED']);
  expect(jobQueue.map(readable)).toEqual(['<ComputeQueue>', '<PruningQueue>']);
});

test('prod prunes, and a stage that does not want it has nothing of it', () => {
  synthesizeStage('prod').training.resourceCountIs('AWS::Batch::JobQueue', 2);
  synthesize().training.resourceCountIs('AWS::Batch::JobQueue', 1);
});
