/** Emulator of Lambda's runtime API: events to the real program, and what it answers. */
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** The API that a program finds by its environment. */
export interface LambdaRuntime {
  /** What Lambda would put into the environment of the program. */
  readonly environment: Record<string, string>;
  /** The program's answer to an event, as it sent it; fails if it reported an error. */
  invoke(id: string, event: string): Promise<Buffer>;
  stop(): Promise<void>;
}

interface Invocation {
  readonly id: string;
  readonly event: string;
  readonly resolve: (answer: Buffer) => void;
  readonly reject: (error: Error) => void;
}

export async function lambdaRuntime(): Promise<LambdaRuntime> {
  /** In the order in which the program gets them. */
  const waiting: Invocation[] = [];
  /** Those whose answer is awaited. */
  const open = new Map<string, Invocation>();
  /** The program asks for its next event here, and waits until there is one. */
  let idle: ServerResponse | null = null;

  const hand = () => {
    const next = idle && waiting.shift();
    if (!idle || !next) return;
    open.set(next.id, next);
    idle.writeHead(200, {
      'content-type': 'application/json',
      'lambda-runtime-aws-request-id': next.id,
      'lambda-runtime-deadline-ms': Date.now() + 60_000,
      'lambda-runtime-invoked-function-arn': 'arn:aws:lambda:eu-central-1:123456789012:function:generate',
    });
    idle.end(next.event);
    idle = null;
  };

  const server = createServer(async (request, response) => {
    const body = await read(request);
    const [, id = '', what] = /\/runtime\/invocation\/([^/]+)(?:\/(\w+))?$/.exec(request.url ?? '') ?? [];
    if (id === 'next') {
      idle = response;
      hand();
      return;
    }
    const invocation = open.get(id);
    if (what === 'response') invocation?.resolve(body);
    else invocation?.reject(new Error(`the function failed: ${body}`));
    open.delete(id);
    response.writeHead(202).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  return {
    environment: {
      AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${(server.address() as AddressInfo).port}`,
      AWS_LAMBDA_FUNCTION_NAME: 'generate',
      AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '1024',
      AWS_LAMBDA_LOG_GROUP_NAME: 'generate',
      AWS_LAMBDA_LOG_STREAM_NAME: 'generate',
      AWS_REGION: 'eu-central-1',
    },
    invoke(id, event) {
      return new Promise((resolve, reject) => {
        waiting.push({ id, event, resolve, reject });
        hand();
      });
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A request of a client. */
export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly query?: string;
  readonly headers?: Record<string, string>;
  readonly body: Buffer;
}

/** A request as an HTTP API describes it, in version 2.0 of its format. */
export function httpEvent(id: string, { method, path, query = '', headers = {}, body }: HttpRequest): string {
  return JSON.stringify({
    version: '2.0',
    routeKey: '$default',
    rawPath: path,
    rawQueryString: query,
    headers,
    requestContext: {
      accountId: '123456789012',
      apiId: 'api',
      domainName: 'api',
      domainPrefix: 'api',
      http: { method, path, protocol: 'HTTP/1.1', sourceIp: '127.0.0.1', userAgent: 'test' },
      requestId: id,
      routeKey: '$default',
      stage: '$default',
      time: '24/Nov/2026:12:00:00 +0000',
      timeEpoch: 0,
    },
    body: body.toString('base64'),
    isBase64Encoded: true,
  });
}

/** The body of a request. */
export async function read(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
