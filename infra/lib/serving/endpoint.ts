/** The address of the API: a REST API, a function URL, or a load balancer behind the page's CloudFront. */
import type * as apigateway from 'aws-cdk-lib/aws-apigateway';
import type * as elbv2 from 'aws-cdk-lib/aws-elasticloadbalancingv2';

export interface Endpoint {
  /** Ends with `/`. A load balancer has none: the site stack tells its address. */
  readonly url?: string;
  readonly domainName: string;
  /** Path of the API below its domain: empty, or begins with `/`. */
  readonly path: string;
  /** The REST API, if it is one. */
  readonly api?: apigateway.RestApi;
  /** The load balancer, if it is one. Then nobody reaches it but CloudFront. */
  readonly loadBalancer?: elbv2.IApplicationLoadBalancer;
}
