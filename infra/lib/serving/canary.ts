/** Canary deployment of the function: CodeDeploy moves its alias, and alarms or a failed smoke test move it back. */
import { join } from 'node:path';
import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import type * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as codedeploy from 'aws-cdk-lib/aws-codedeploy';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { Settings } from '../../settings.ts';
import { functionRole } from '../function-role.ts';

export interface CanaryProps {
  readonly settings: Settings['serving'];
  readonly canary: NonNullable<Settings['serving']['canary']>;
  readonly function: lambda.Function;
  readonly alias: lambda.Alias;
  /** Alarms that a bad version raises. */
  readonly alarms: cloudwatch.Alarm[];
}

export class Canary extends Construct {
  constructor(scope: Construct, id: string, props: CanaryProps) {
    super(scope, id);
    const { percent, minutes } = props.canary;
    const smokeTest = this.smokeTest(props);
    const group = new codedeploy.LambdaDeploymentGroup(this, 'Group', {
      application: new codedeploy.LambdaApplication(this, 'Application'),
      deploymentConfig: new codedeploy.LambdaDeploymentConfig(this, 'Config', {
        trafficRouting: codedeploy.TrafficRouting.timeBasedCanary({
          percentage: percent,
          interval: Duration.minutes(minutes),
        }),
      }),
      alias: props.alias,
      alarms: props.alarms,
      autoRollback: { failedDeployment: true, stoppedDeployment: true, deploymentInAlarm: true },
      preHook: smokeTest,
    });
    // An update policy is no dependency: the alias could move while rights and the version to test are the old ones.
    props.alias.node.addDependency(group, smokeTest);
  }

  private smokeTest({ settings, function: target }: CanaryProps): lambda.Function {
    const logGroup = new logs.LogGroup(this, 'Log', {
      retention: settings.logDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const smokeTest = new lambda.Function(this, 'SmokeTest', {
      description: 'Asks a new version for a text before requests are sent to it',
      runtime: lambda.Runtime.NODEJS_LATEST,
      handler: 'index.handler',
      code: lambda.Code.fromAsset(join(import.meta.dirname, 'smoke-test')),
      environment: {
        VERSION: target.currentVersion.functionArn,
        ENDPOINT: settings.endpoint,
        KEY_REQUIRED: String(settings.apiKeySha256.length > 0),
      },
      timeout: Duration.minutes(5),
      logGroup,
      role: functionRole(this, 'Role', logGroup),
    });
    smokeTest.addToRolePolicy(
      new iam.PolicyStatement({
        // Of every version: rights take a while to be known everywhere, and the test comes at once.
        sid: 'AskNewVersion',
        actions: ['lambda:InvokeFunction'],
        resources: [`${target.functionArn}:*`],
      }),
    );
    return smokeTest;
  }
}
