/** API Gateway REST API in front of the function: streaming and throttling, optionally API keys and a web application firewall. */
import { CfnOutput, Duration, Fn, RemovalPolicy, Stack } from 'aws-cdk-lib';
import * as apigateway from 'aws-cdk-lib/aws-apigateway';
import type * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as wafv2 from 'aws-cdk-lib/aws-wafv2';
import { Construct } from 'constructs';
import type { Settings } from '../../settings.ts';
import type { Endpoint } from './endpoint.ts';

export interface RestEndpointProps {
  readonly settings: Settings['serving'];
  readonly handler: lambda.IFunction;
}

/** Name of the API's stage, which every path begins with. */
const STAGE = 'api';
/** Routes without a key, as in functions/generate: checks have none, and the documentation asks its reader for one. */
export const OPEN_ROUTES = ['health', 'ready', 'docs', 'docs/{proxy+}', 'openapi.json'];
/** API Gateway's limit for a response that is not streamed. */
const BUFFERED_TIMEOUT = Duration.seconds(29);

export class RestEndpoint extends Construct implements Endpoint {
  readonly api: apigateway.RestApi;
  readonly url: string;
  readonly domainName: string;
  readonly path = `/${STAGE}`;

  constructor(scope: Construct, id: string, { settings, handler }: RestEndpointProps) {
    super(scope, id);
    const accessLog = new logs.LogGroup(this, 'AccessLog', {
      retention: settings.logDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    this.api = new apigateway.RestApi(this, 'RestApi', {
      // Its metrics are known by this name alone: two stages of an account must not share one.
      restApiName: Stack.of(this).stackName,
      description: 'TroelsLLM',
      endpointTypes: [apigateway.EndpointType.REGIONAL],
      // It stays when the stack goes: other APIs of the account write their logs with it.
      cloudWatchRole: settings.apiGatewayLogRole === 'create',
      deployOptions: {
        stageName: STAGE,
        throttlingRateLimit: settings.throttle.rate,
        throttlingBurstLimit: settings.throttle.burst,
        accessLogDestination: new apigateway.LogGroupLogDestination(accessLog),
        accessLogFormat: ACCESS_LOG_FORMAT,
        // API Gateway's own errors. Neither log contains prompts.
        loggingLevel: apigateway.MethodLoggingLevel.ERROR,
        dataTraceEnabled: false,
      },
    });
    this.url = this.api.url;
    this.domainName = Fn.select(2, Fn.split('/', this.api.url));

    const integration = new apigateway.LambdaIntegration(handler, {
      allowTestInvoke: false,
      ...(settings.streaming
        ? {
            responseTransferMode: apigateway.ResponseTransferMode.STREAM,
            timeout: Duration.seconds(settings.timeLimitSeconds + 1),
          }
        : { timeout: BUFFERED_TIMEOUT }),
    });
    for (const resource of [this.api.root, this.api.root.addResource('{proxy+}')]) {
      resource.addMethod('ANY', integration, { apiKeyRequired: settings.apiKey !== null });
      // The function answers preflight requests, with which browsers send no key.
      if (settings.apiKey) resource.addMethod('OPTIONS', integration);
    }
    if (settings.apiKey) {
      for (const route of OPEN_ROUTES) this.api.root.resourceForPath(route).addMethod('ANY', integration);
    }
    this.addCorsToErrors(settings.corsOrigins);
    if (settings.apiKey) this.requireApiKey(settings.apiKey);
    if (settings.waf) this.addFirewall(settings.waf.requestsPer5Minutes);
  }

  /** CORS header on API Gateway's own errors, which never reach the function. It can name one origin only. */
  private addCorsToErrors(origins: string[]): void {
    const [origin, ...others] = origins;
    if (origin === undefined || others.length > 0) return;
    for (const type of [apigateway.ResponseType.DEFAULT_4XX, apigateway.ResponseType.DEFAULT_5XX]) {
      this.api.addGatewayResponse(`Cors${type.responseType}`, {
        type,
        responseHeaders: { 'Access-Control-Allow-Origin': `'${origin}'` },
      });
    }
  }

  private requireApiKey({ names, requestsPerDay }: NonNullable<Settings['serving']['apiKey']>): void {
    const plan = this.api.addUsagePlan('UsagePlan', {
      apiStages: [{ stage: this.api.deploymentStage }],
      quota: { limit: requestsPerDay, period: apigateway.Period.DAY },
    });
    for (const name of names) {
      // Without a value API Gateway generates one, so that no template contains a key.
      const key = this.api.addApiKey(`Key-${name}`, { description: name });
      plan.addApiKey(key);
      new CfnOutput(Stack.of(this), `ShowKey${name.replace(/[^A-Za-z0-9]/g, '')}`, {
        value: `aws apigateway get-api-key --include-value --query value --output text --api-key ${key.keyId}`,
      });
    }
  }

  private addFirewall(requestsPer5Minutes: number): void {
    const visibility = (metricName: string) => ({
      cloudWatchMetricsEnabled: true,
      metricName,
      sampledRequestsEnabled: false,
    });
    const managed = (name: string, priority: number): wafv2.CfnWebACL.RuleProperty => ({
      name,
      priority,
      overrideAction: { none: {} },
      statement: { managedRuleGroupStatement: { vendorName: 'AWS', name } },
      visibilityConfig: visibility(name),
    });
    const firewall = new wafv2.CfnWebACL(this, 'Firewall', {
      scope: 'REGIONAL',
      defaultAction: { allow: {} },
      visibilityConfig: visibility('Firewall'),
      rules: [
        {
          name: 'OneAddress',
          priority: 0,
          action: { block: {} },
          statement: {
            rateBasedStatement: { aggregateKeyType: 'IP', limit: requestsPer5Minutes, evaluationWindowSec: 300 },
          },
          visibilityConfig: visibility('OneAddress'),
        },
        managed('AWSManagedRulesAmazonIpReputationList', 1),
        managed('AWSManagedRulesKnownBadInputsRuleSet', 2),
      ],
    });
    new wafv2.CfnWebACLAssociation(this, 'FirewallAssociation', {
      resourceArn: this.api.deploymentStage.stageArn,
      webAclArn: firewall.attrArn,
    });
  }
}

const ACCESS_LOG_FORMAT = apigateway.AccessLogFormat.custom(
  JSON.stringify({
    requestId: apigateway.AccessLogField.contextRequestId(),
    time: apigateway.AccessLogField.contextRequestTime(),
    ip: apigateway.AccessLogField.contextIdentitySourceIp(),
    method: apigateway.AccessLogField.contextHttpMethod(),
    path: apigateway.AccessLogField.contextPath(),
    status: apigateway.AccessLogField.contextStatus(),
    milliseconds: apigateway.AccessLogField.contextResponseLatency(),
    bytes: apigateway.AccessLogField.contextResponseLength(),
    error: apigateway.AccessLogField.contextErrorMessage(),
  }),
);
