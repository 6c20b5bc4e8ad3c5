/** The address of the API: a REST API or a function URL. */
import type * as apigateway from 'aws-cdk-lib/aws-apigateway';

export interface Endpoint {
  /** Ends with `/`. */
  readonly url: string;
  readonly domainName: string;
  /** Path of the API below its domain: empty, or begins with `/`. */
  readonly path: string;
  /** The REST API, if it is one. */
  readonly api?: apigateway.RestApi;
}
