/** Metric of the served model's age, measured once a day by a function of its own. */
import { join } from 'node:path';
import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import * as scheduler from 'aws-cdk-lib/aws-scheduler';
import * as targets from 'aws-cdk-lib/aws-scheduler-targets';
import { Construct } from 'constructs';
import { functionRole } from '../function-role.ts';

export interface ModelAgeProps {
  readonly artifacts: s3.IBucket;
  readonly channel: string;
}

export class ModelAge extends Construct {
  readonly metric: cloudwatch.Metric;

  constructor(scope: Construct, id: string, { artifacts, channel }: ModelAgeProps) {
    super(scope, id);
    const key = `channels/${channel}.json`;
    const logGroup = new logs.LogGroup(this, 'Log', {
      retention: logs.RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const measure = new lambda.Function(this, 'Measure', {
      description: 'Measures how old the served model is',
      runtime: lambda.Runtime.NODEJS_LATEST,
      handler: 'index.handler',
      code: lambda.Code.fromAsset(join(import.meta.dirname, 'model-age')),
      environment: { BUCKET: artifacts.bucketName, CHANNEL_KEY: key },
      timeout: Duration.seconds(30),
      logGroup,
      role: functionRole(this, 'Role', logGroup),
    });
    measure.addToRolePolicy(
      new iam.PolicyStatement({
        sid: 'ReadChannel',
        actions: ['s3:GetObject'],
        resources: [artifacts.arnForObjects(key)],
      }),
    );
    new scheduler.Schedule(this, 'Daily', {
      schedule: scheduler.ScheduleExpression.rate(Duration.days(1)),
      // Of the version alone: for a function the library would allow all of its versions.
      target: new targets.LambdaInvoke(measure.currentVersion, { retryAttempts: 3 }),
    });
    this.metric = new cloudwatch.Metric({
      namespace: 'TroelsLLM',
      metricName: 'ModelAgeDays',
      dimensionsMap: { FunctionName: measure.functionName },
      statistic: cloudwatch.Stats.MAXIMUM,
      period: Duration.days(1),
    });
  }
}
