import type { ErrorBody } from './types.ts';

/** Error of a request to the API, or of reaching it. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  /**
   * For programs: a code of the API, or of this page: `unreachable`, `interrupted` (a stream that ended too
   * early), `http_STATUS` (an answer that is not the API's).
   */
  readonly code: string;
  /** The field of the request that is at fault. */
  readonly field: string | undefined;
  /** The request's id in the server's log. */
  readonly requestId: string | undefined;
  /** From the header `Retry-After`. */
  readonly retryAfterSeconds: number | undefined;

  constructor(
    code: string,
    message: string,
    details: { field?: string | undefined; requestId?: string | undefined; retryAfterSeconds?: number | undefined } = {},
  ) {
    super(message);
    this.code = code;
    this.field = details.field;
    this.requestId = details.requestId;
    this.retryAfterSeconds = details.retryAfterSeconds;
  }

  /** Of a response whose status is an error. */
  static async of(response: Response): Promise<ApiError> {
    const body: unknown = await response.json().catch(() => undefined);
    if (isErrorBody(body)) return ApiError.from(body, response);
    // A gateway in front of the API answers in its own words. These are API Gateway's where it wants a key.
    if (response.status === 403 && isForbidden(body)) {
      return new ApiError('unauthorized', 'the key is missing or wrong, or a firewall refuses this', head(response));
    }
    return new ApiError(`http_${response.status}`, `the answer was ${response.status} ${response.statusText}`.trim(), head(response));
  }

  /** Of what the API says in the body or in a stream of `response`. */
  static from({ error }: ErrorBody, response: Response): ApiError {
    return new ApiError(error.code, error.message, { ...head(response), field: error.field });
  }

  /** Whatever was thrown, as an error of this class. */
  static wrap(thrown: unknown): ApiError {
    if (thrown instanceof ApiError) return thrown;
    return new ApiError('unreachable', 'the API could not be reached: it or the network may be down');
  }
}

function head(response: Response) {
  // Dates, the header's other form, are nothing that this API or its gateways send.
  const seconds = Number.parseInt(response.headers.get('retry-after') ?? '', 10);
  return {
    requestId: response.headers.get('x-request-id') ?? response.headers.get('x-amzn-requestid') ?? undefined,
    retryAfterSeconds: Number.isNaN(seconds) ? undefined : seconds,
  };
}

function isErrorBody(body: unknown): body is ErrorBody {
  if (typeof body !== 'object' || body === null || !('error' in body)) return false;
  const { error } = body;
  return typeof error === 'object' && error !== null && 'code' in error && 'message' in error;
}

function isForbidden(body: unknown): boolean {
  return typeof body === 'object' && body !== null && 'message' in body && body.message === 'Forbidden';
}
