/**
 * Lambda emulator for cold starts: the runtime API and an HTTP API in front of it, with the real program as the
 * function, which starts with the first request.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { program } from './programs.ts';

/** How long a function takes to start, before its program does anything. */
const START_MS = 2000;

/** A sleeping function, and the way to it. */
export interface SleepingFunction {
  /** Address of its API. */
  readonly url: string;
  stop(): Promise<void>;
}

/** A function with the environment `env`; its first request starts it. */
export async function sleepingFunction(env: NodeJS.ProcessEnv): Promise<SleepingFunction> {
  /** Requests on their way to the function, in its order. */
  const waiting: { id: string; event: string }[] = [];
  /** Requests whose answer is awaited. */
  const open = new Map<string, ServerResponse>();
  /** The function asks for its next event here, and waits until there is one. */
  let idle: ServerResponse | null = null;
  let child: ChildProcess | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const hand = () => {
    const next = idle && waiting.shift();
    if (!idle || !next) return;
    idle.writeHead(200, {
      'content-type': 'application/json',
      'lambda-runtime-aws-request-id': next.id,
      'lambda-runtime-deadline-ms': Date.now() + 60_000,
      'lambda-runtime-invoked-function-arn': 'arn:aws:lambda:eu-central-1:123456789012:function:generate',
    });
    idle.end(next.event);
    idle = null;
  };

  const runtime = createServer(async (request, response) => {
    const body = await read(request);
    const [, id, what] = /\/runtime\/invocation\/([^/]+)(?:\/(\w+))?$/.exec(request.url ?? '') ?? [];
    if (id === 'next') {
      idle = response;
      hand();
      return;
    }
    if (id && what === 'response') reply(open.get(id), JSON.parse(body.toString()));
    else open.get(id ?? '')?.writeHead(502).end();
    open.delete(id ?? '');
    response.writeHead(202).end();
  });

  const gateway = createServer(async (request, response) => {
    const id = crypto.randomUUID();
    open.set(id, response);
    waiting.push({ id, event: event(id, request, await read(request)) });
    timer ??= setTimeout(() => {
      child = spawn(program('generate'), [], { env: { ...process.env, ...env, ...runtimeOf(port(runtime)) }, stdio: 'ignore' });
    }, START_MS);
    hand();
  });

  for (const server of [runtime, gateway]) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${port(gateway)}`,
    async stop() {
      clearTimeout(timer);
      if (child && child.exitCode === null) {
        const ended = new Promise((resolve) => child?.once('exit', resolve));
        child.kill('SIGKILL');
        await ended;
      }
      for (const server of [runtime, gateway]) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };
}

const port = (server: ReturnType<typeof createServer>) => (server.address() as AddressInfo).port;

function runtimeOf(runtimePort: number): NodeJS.ProcessEnv {
  return {
    AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${runtimePort}`,
    AWS_LAMBDA_FUNCTION_NAME: 'generate',
    AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '1024',
    AWS_LAMBDA_LOG_GROUP_NAME: 'generate',
    AWS_LAMBDA_LOG_STREAM_NAME: 'generate',
    AWS_REGION: 'eu-central-1',
  };
}

async function read(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** A request as an HTTP API describes it, in version 2.0 of its format. */
function event(id: string, request: IncomingMessage, body: Buffer): string {
  const { pathname, search } = new URL(request.url ?? '/', 'http://api');
  const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
  return JSON.stringify({
    version: '2.0',
    routeKey: '$default',
    rawPath: pathname,
    rawQueryString: search.slice(1),
    headers,
    requestContext: {
      accountId: '123456789012',
      apiId: 'api',
      domainName: 'api',
      domainPrefix: 'api',
      http: { method: request.method, path: pathname, protocol: 'HTTP/1.1', sourceIp: '127.0.0.1', userAgent: 'test' },
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

/** Answers as the function did. */
function reply(response: ServerResponse | undefined, answer: FunctionAnswer) {
  if (!response || response.destroyed) return;
  response.writeHead(answer.statusCode, answer.headers);
  response.end(Buffer.from(answer.body ?? '', answer.isBase64Encoded ? 'base64' : 'utf8'));
}

interface FunctionAnswer {
  statusCode: number;
  headers?: Record<string, string>;
  body?: string;
  isBase64Encoded?: boolean;
}
