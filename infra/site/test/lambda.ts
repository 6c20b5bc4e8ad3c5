/**
 * Lambda emulator for cold starts: an HTTP API in front of the runtime API, with the real program as the function,
 * which starts with the first request.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { lambdaRuntime, read } from '../../test/local/lambda-runtime.ts';
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
  const runtime = await lambdaRuntime();
  let child: ChildProcess | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const gateway = createServer(async (request, response) => {
    const id = crypto.randomUUID();
    const answer = runtime.invoke(id, event(id, request, await read(request)));
    timer ??= setTimeout(() => {
      const environment = { ...process.env, ...env, ...runtime.environment };
      child = spawn(program('generate'), [], { env: environment, stdio: 'ignore' });
    }, START_MS);
    await answer.then((body) => reply(response, JSON.parse(body.toString())), () => response.writeHead(502).end());
  });
  await new Promise<void>((resolve) => gateway.listen(0, '127.0.0.1', resolve));

  return {
    url: `http://127.0.0.1:${(gateway.address() as AddressInfo).port}`,
    async stop() {
      clearTimeout(timer);
      if (child && child.exitCode === null) {
        const ended = new Promise((resolve) => child?.once('exit', resolve));
        child.kill('SIGKILL');
        await ended;
      }
      gateway.closeAllConnections();
      await new Promise((resolve) => gateway.close(resolve));
      await runtime.stop();
    },
  };
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
function reply(response: ServerResponse, answer: FunctionAnswer) {
  if (response.destroyed) return;
  response.writeHead(answer.statusCode, answer.headers);
  response.end(Buffer.from(answer.body ?? '', answer.isBase64Encoded ? 'base64' : 'utf8'));
}

interface FunctionAnswer {
  statusCode: number;
  headers?: Record<string, string>;
  body?: string;
  isBase64Encoded?: boolean;
}
