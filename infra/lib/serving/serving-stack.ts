/** Serving: the Lambda function `generate`, its alias, and a REST API or function URL in front of it. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { CfnOutput, Duration, Fn, RemovalPolicy, Size, Stack, type StackProps } from 'aws-cdk-lib';
import type * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type * as ecr from 'aws-cdk-lib/aws-ecr';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import type { Settings } from '../../settings.ts';
import { functionRole } from '../function-role.ts';
import { repositoryOf } from '../image-repository.ts';
import { functionRows } from '../observability/dashboard.ts';
import { functionMetrics } from '../observability/metrics.ts';
import { PROJECT_FOLDER } from '../paths.ts';
import { Canary } from './canary.ts';
import type { Endpoint } from './endpoint.ts';
import { addFunctionAlarms } from './function-alarms.ts';
import { GRACE_SECONDS } from './grace.ts';
import { ManagedInstances } from './managed-instances.ts';
import type { AlarmProps } from './model-alarms.ts';
import { mayReadModels } from './read-models.ts';
import { RestEndpoint } from './rest-endpoint.ts';

export interface ServingStackProps extends StackProps {
  readonly settings: Settings['serving'];
  readonly alarms: AlarmProps;
  readonly artifacts: s3.IBucket;
  readonly images: ecr.IRepository;
}

export class ServingStack extends Stack {
  readonly function: lambda.Function;
  readonly alias: lambda.Alias;
  readonly endpoint: Endpoint;
  readonly dashboardRows: cloudwatch.IWidget[][];

  constructor(scope: Construct, id: string, props: ServingStackProps) {
    super(scope, id, props);
    const { settings } = props;

    this.function = this.generate(props);
    if (settings.managedInstances) {
      const instances = { settings: settings.managedInstances, architecture: architectureOf(settings) };
      new ManagedInstances(this, 'ManagedInstances', instances).add(this.function);
    }
    for (const statement of mayReadModels(props.artifacts)) this.function.addToRolePolicy(statement);
    this.alias = new lambda.Alias(this, 'Live', {
      aliasName: 'live',
      version: this.function.currentVersion,
      ...(settings.provisionedConcurrency !== null && {
        provisionedConcurrentExecutions: settings.provisionedConcurrency,
      }),
    });
    const endpoint =
      settings.endpoint === 'rest-api'
        ? new RestEndpoint(this, 'Api', { settings, handler: this.alias })
        : this.functionUrl(settings);
    this.endpoint = endpoint;
    const metrics = functionMetrics(this);
    const alarms = addFunctionAlarms(this, metrics, props.alarms);
    const { canary } = settings;
    if (canary) new Canary(this, 'Canary', { settings, canary, function: this.function, alias: this.alias, alarms });
    const { channel, challenger } = settings;
    this.dashboardRows = functionRows(metrics, challenger ? [channel, challenger.channel] : []);
    new CfnOutput(this, 'Url', { value: endpoint.url });
    new CfnOutput(this, 'FunctionName', { value: this.function.functionName });
  }

  private generate({ settings, artifacts, images }: ServingStackProps): lambda.Function {
    const logGroup = new logs.LogGroup(this, 'FunctionLog', {
      retention: settings.logDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const options = {
      description: 'Serves the model that a channel of the store names',
      architecture: architectureOf(settings),
      memorySize: settings.memoryMb,
      ephemeralStorageSize: Size.mebibytes(settings.temporaryStorageMb),
      timeout: Duration.seconds(settings.timeLimitSeconds + GRACE_SECONDS),
      environment: environment(settings, artifacts),
      logGroup,
      role: functionRole(this, 'GenerateRole', logGroup),
      ...(settings.reservedConcurrency !== null && { reservedConcurrentExecutions: settings.reservedConcurrency }),
    };
    const id = functionId(settings);
    if (settings.package === 'zip') {
      return new lambda.Function(this, id, {
        ...options,
        runtime: lambda.Runtime.PROVIDED_AL2023,
        handler: 'bootstrap',
        code: lambda.Code.fromAsset(existingZip(settings.zip)),
        ...(settings.openTelemetry?.layerArn && {
          layers: [lambda.LayerVersion.fromLayerVersionArn(this, 'OpenTelemetry', settings.openTelemetry.layerArn)],
        }),
      });
    }
    const image = new lambda.DockerImageFunction(this, id, {
      ...options,
      code: lambda.DockerImageCode.fromEcr(repositoryOf(this, images), { tagOrDigest: settings.imageTag }),
    });
    // The construct library knows SnapStart for its own list of runtimes only, which lacks images.
    const resource = image.node.defaultChild as lambda.CfnFunction;
    resource.snapStart = { applyOn: 'PublishedVersions' };
    return image;
  }

  private functionUrl(settings: Settings['serving']) {
    const { url } = this.alias.addFunctionUrl({
      // The function asks for keys itself, and answers preflight requests.
      authType: lambda.FunctionUrlAuthType.NONE,
      invokeMode: settings.streaming ? lambda.InvokeMode.RESPONSE_STREAM : lambda.InvokeMode.BUFFERED,
    });
    // Of a weak reference alone nothing can be split off.
    return { url, domainName: Fn.select(2, Fn.split('/', Fn.sub('${Url}', { Url: url }))), path: '' };
  }
}

/** What a function once is it stays, so that another kind of function is another resource. */
function functionId(settings: Settings['serving']): string {
  if (settings.package === 'image') return 'GenerateFromImage';
  return settings.managedInstances ? 'GenerateOnInstances' : 'Generate';
}

function architectureOf(settings: Settings['serving']): lambda.Architecture {
  return settings.architecture === 'arm64' ? lambda.Architecture.ARM_64 : lambda.Architecture.X86_64;
}

/** Environment variables that `generate` reads; `generate --help` describes them. */
export function environment(settings: Settings['serving'], artifacts: s3.IBucket): Record<string, string> {
  const inLambda = settings.compute === 'lambda';
  const variables: Record<string, string | false> = {
    MODEL_STORE: `s3://${artifacts.bucketName}`,
    MODEL_CHANNEL: settings.channel,
    MODEL_CHALLENGER: settings.challenger !== null && settings.challenger.channel,
    MODEL_CHALLENGER_SHARE: settings.challenger !== null && String(settings.challenger.share),
    MODEL_CHECK_SECONDS: String(settings.modelCheckSeconds),
    MODEL_PRECISION: settings.precision !== 'auto' && settings.precision,
    RESPONSE_MODE: inLambda && (settings.streaming ? 'streaming' : 'buffered'),
    TIME_LIMIT_SECONDS: String(settings.timeLimitSeconds),
    // All that Lambda sends at once generate side by side.
    MAX_CONCURRENT: settings.managedInstances !== null && String(settings.managedInstances.requestsAtOnce),
    MODEL_VERSION: settings.pinnedVersion ?? false,
    TRUSTED_KEYS: settings.trustedKeys.length > 0 && settings.trustedKeys.join(','),
    LOG_PROMPTS: settings.logPrompts && 'true',
    RUST_LOG: settings.logLevel ?? false,
    OTEL_EXPORTER_OTLP_ENDPOINT: settings.openTelemetry?.endpoint ?? false,
    CORS_ORIGINS: settings.corsOrigins.length > 0 && settings.corsOrigins.join(','),
    API_KEY_SHA256: settings.apiKeySha256.length > 0 && settings.apiKeySha256.join(','),
    // Read by lambda_http: routes are `/generate`, not `/api/generate`.
    AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH: inLambda && settings.endpoint === 'rest-api' && '1',
  };
  const isSet = (entry: [string, string | false]): entry is [string, string] => entry[1] !== false;
  return Object.fromEntries(Object.entries(variables).filter(isSet));
}

function existingZip(zip: string): string {
  const path = resolve(PROJECT_FOLDER, zip);
  if (!existsSync(path)) {
    throw new Error(`serving.zip: there is no ${path}; scripts/build-function.sh builds it`);
  }
  return path;
}
