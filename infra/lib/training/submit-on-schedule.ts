/** Schedule that submits a job of AWS Batch. EventBridge Scheduler has no target for it but the universal one. */
import { Aws } from 'aws-cdk-lib';
import type * as batch from 'aws-cdk-lib/aws-batch';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as scheduler from 'aws-cdk-lib/aws-scheduler';
import * as targets from 'aws-cdk-lib/aws-scheduler-targets';
import type { Construct } from 'constructs';

export interface ScheduledJob extends Pick<scheduler.ScheduleProps, 'description' | 'schedule' | 'timeWindow'> {
  readonly group: scheduler.IScheduleGroup;
  readonly name: string;
  readonly queue: batch.IJobQueue;
  readonly definition: batch.IJobDefinition;
}

export function submitOnSchedule(scope: Construct, id: string, job: ScheduledJob): void {
  const { group, name, queue, definition, ...when } = job;
  // The library's own role would be that of all such schedules.
  const role = new iam.Role(scope, `${id}Role`, {
    assumedBy: new iam.ServicePrincipal('scheduler.amazonaws.com', {
      conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID, 'aws:SourceArn': group.scheduleGroupArn } },
    }),
  });
  new scheduler.Schedule(scope, id, {
    ...when,
    scheduleGroup: group,
    target: new targets.Universal({
      service: 'batch',
      action: 'submitJob',
      input: scheduler.ScheduleTargetInput.fromObject({
        JobName: name,
        JobQueue: queue.jobQueueArn,
        JobDefinition: definition.jobDefinitionArn,
      }),
      role,
      retryAttempts: 3,
      // Without these, CDK would allow batch:submitJob on everything.
      policyStatements: [
        new iam.PolicyStatement({
          sid: 'SubmitJob',
          actions: ['batch:SubmitJob'],
          resources: [definition.jobDefinitionArn, queue.jobQueueArn],
        }),
      ],
    }),
  });
}
