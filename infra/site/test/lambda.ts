/**
 * Lambda emulator for cold starts: an HTTP API in front of the runtime API, with the real program as the function,
 * which starts with the first request.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { httpEvent, lambdaRuntime, read } from '../../test/local/lambda-runtime.ts';
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
    const { pathname, search } = new URL(request.url ?? '/', 'http://api');
    const answer = runtime.invoke(
      id,
      httpEvent(id, {
        method: request.method ?? 'GET',
        path: pathname,
        query: search.slice(1),
        headers: Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)])),
        body: await read(request),
      }),
    );
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
