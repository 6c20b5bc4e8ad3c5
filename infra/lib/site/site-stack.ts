/** Static site: the page in S3 behind CloudFront, with the API under the same domain. */
import { Annotations, CfnOutput, Duration, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import * as acm from 'aws-cdk-lib/aws-certificatemanager';
import * as cloudfront from 'aws-cdk-lib/aws-cloudfront';
import * as origins from 'aws-cdk-lib/aws-cloudfront-origins';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as s3 from 'aws-cdk-lib/aws-s3';
import * as deployment from 'aws-cdk-lib/aws-s3-deployment';
import type { Construct } from 'constructs';
import type { Settings } from '../../settings.ts';
import type { Endpoint } from '../serving/endpoint.ts';

export interface SiteStackProps extends StackProps {
  readonly settings: Settings['site'];
  /** The folder that is published. */
  readonly folder: string;
  readonly endpoint: Endpoint;
  /** Time limit of a request to the API, `serving.timeLimitSeconds`. */
  readonly timeLimitSeconds: number;
  /** Where access to the pages is logged, if it is. */
  readonly accessLogs?: s3.IBucket;
}

/** Routes of the API, those of `functions/generate`. Everything else is the page. */
export const API_ROUTES = [
  '/model',
  '/generate',
  '/inspect',
  '/v1/*',
  '/tokenize',
  '/detokenize',
  '/tokenizer_info',
  '/health',
  '/ready',
  '/docs*',
  '/openapi.json',
];

/** Files of the build whose names contain a hash of their contents. */
const HASHED = 'assets/*';

/** What may come before a request: Lambda ends an initialisation after 10 s. */
const COLD_START_SECONDS = 10;

/**
 * The longest that CloudFront waits for the next bytes without a quota of its own:
 * https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_CustomOriginConfig.html
 */
const LONGEST_READ_SECONDS = 120;

export class SiteStack extends Stack {
  readonly pages: s3.Bucket;

  constructor(scope: Construct, id: string, props: SiteStackProps) {
    super(scope, id, props);
    const { domain, compare } = props.settings;
    this.pages = new s3.Bucket(this, 'Pages', {
      encryption: s3.BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
      ...(props.accessLogs && { serverAccessLogsBucket: props.accessLogs, serverAccessLogsPrefix: 'pages/' }),
      // The repository can build all of it again.
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const headers = this.securityHeaders(compare);
    const distribution = new cloudfront.Distribution(this, 'Distribution', {
      comment: id,
      defaultRootObject: 'index.html',
      httpVersion: cloudfront.HttpVersion.HTTP2_AND_3,
      priceClass: cloudfront.PriceClass.PRICE_CLASS_100,
      defaultBehavior: {
        origin: origins.S3BucketOrigin.withOriginAccessControl(this.pages),
        viewerProtocolPolicy: cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
        responseHeadersPolicy: headers,
      },
      additionalBehaviors: this.apiBehaviors(props.endpoint, this.readTimeout(props)),
      ...(domain && {
        domainNames: [domain.name],
        minimumProtocolVersion: cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021,
        certificate: acm.Certificate.fromCertificateArn(this, 'Certificate', domain.certificateArn),
      }),
    });
    const folder = deployment.Source.asset(props.folder);
    const logGroup = new logs.LogGroup(this, 'UploadLog', {
      retention: logs.RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const hashed = new deployment.BucketDeployment(this, 'UploadHashed', {
      destinationBucket: this.pages,
      sources: [folder],
      exclude: ['*'],
      include: [HASHED],
      cacheControl: [
        deployment.CacheControl.setPublic(),
        deployment.CacheControl.maxAge(Duration.days(365)),
        deployment.CacheControl.immutable(),
      ],
      // A page that is open still loads files of its own build.
      prune: false,
      retainOnDelete: false,
      logGroup,
    });
    const upload = new deployment.BucketDeployment(this, 'Upload', {
      destinationBucket: this.pages,
      // The last one wins: the build has a config.json for an API beside it.
      sources: [folder, deployment.Source.jsonData('config.json', { api: '', compare })],
      exclude: [HASHED],
      // Browsers revalidate each time.
      cacheControl: [deployment.CacheControl.noCache()],
      distribution,
      retainOnDelete: false,
      logGroup,
    });
    // Pages come after the files that they load.
    upload.node.addDependency(hashed);
    const siteUrl = `https://${domain?.name ?? distribution.domainName}`;
    new CfnOutput(this, 'SiteUrl', { value: siteUrl });
    if (props.endpoint.loadBalancer) new CfnOutput(this, 'Url', { value: `${siteUrl}/` });
    new CfnOutput(this, 'DistributionDomain', { value: distribution.domainName });
  }

  /** How long CloudFront waits for the next bytes. Where an answer is not streamed, the first are its last. */
  private readTimeout({ endpoint, timeLimitSeconds }: SiteStackProps): Duration {
    const seconds = timeLimitSeconds + COLD_START_SECONDS;
    if (seconds > LONGEST_READ_SECONDS) {
      const elsewhere = endpoint.loadBalancer ? '' : ", or that call the API's own address";
      Annotations.of(this).addWarning(
        `serving.timeLimitSeconds is ${timeLimitSeconds}, and CloudFront waits ${LONGEST_READ_SECONDS} s for the ` +
          'next bytes: at the domain of the page, an answer that takes longer and is not streamed ends with 504. Expected ' +
          `at most ${LONGEST_READ_SECONDS - COLD_START_SECONDS}, or callers that stream${elsewhere}`,
      );
    }
    return Duration.seconds(Math.min(seconds, LONGEST_READ_SECONDS));
  }

  private apiBehaviors(endpoint: Endpoint, readTimeout: Duration): Record<string, cloudfront.BehaviorOptions> {
    const behavior: cloudfront.BehaviorOptions = {
      origin: endpoint.loadBalancer
        ? origins.VpcOrigin.withApplicationLoadBalancer(endpoint.loadBalancer, {
            // A connection within AWS, which nobody else can reach.
            protocolPolicy: cloudfront.OriginProtocolPolicy.HTTP_ONLY,
            readTimeout,
          })
        : new origins.HttpOrigin(endpoint.domainName, {
            originPath: endpoint.path,
            protocolPolicy: cloudfront.OriginProtocolPolicy.HTTPS_ONLY,
            readTimeout,
          }),
      allowedMethods: cloudfront.AllowedMethods.ALLOW_ALL,
      cachePolicy: cloudfront.CachePolicy.CACHING_DISABLED,
      // API Gateway and function URLs accept their own Host header only.
      originRequestPolicy: cloudfront.OriginRequestPolicy.ALL_VIEWER_EXCEPT_HOST_HEADER,
      viewerProtocolPolicy: cloudfront.ViewerProtocolPolicy.HTTPS_ONLY,
      // Compression would buffer a stream's tokens.
      compress: false,
    };
    return Object.fromEntries(API_ROUTES.map((route) => [route, behavior]));
  }

  /** Headers of the page alone: the API sends its own, and its documentation has another content policy. */
  private securityHeaders(compare: string[]): cloudfront.ResponseHeadersPolicy {
    return new cloudfront.ResponseHeadersPolicy(this, 'SecurityHeaders', {
      securityHeadersBehavior: {
        contentSecurityPolicy: { contentSecurityPolicy: contentPolicy(compare), override: true },
        contentTypeOptions: { override: true },
        frameOptions: { frameOption: cloudfront.HeadersFrameOption.DENY, override: true },
        referrerPolicy: { referrerPolicy: cloudfront.HeadersReferrerPolicy.NO_REFERRER, override: true },
        strictTransportSecurity: { accessControlMaxAge: Duration.days(365), includeSubdomains: false, override: true },
      },
    });
  }
}

/** Content-Security-Policy: scripts and styles of this origin, requests to it and to the compared APIs, no frames. */
function contentPolicy(compare: string[]): string {
  const apis = new Set(compare.map((address) => new URL(address).origin));
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    ["connect-src 'self'", ...apis].join(' '),
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
}
