/**
 * S3 emulator for cold starts: the part of S3 that a server reads from, over a folder. It holds model files back
 * until a test releases them.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, normalize } from 'node:path';

const BUCKET = 'models';

/** A store whose models are held back. */
export interface SleepingStore {
  /** Where it is, as `--store` takes it. */
  readonly location: string;
  /** The environment in which a program finds it. */
  readonly env: NodeJS.ProcessEnv;
  /** Lets the models go. */
  wake(): void;
  stop(): Promise<void>;
}

/** Serves the store in `folder`. */
export async function sleepingStore(folder: string): Promise<SleepingStore> {
  let wake = () => {};
  const awake = new Promise<void>((resolve) => {
    wake = resolve;
  });
  const server = createServer(async (request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://store').pathname);
    if (path.endsWith('.onnx')) await awake;
    await answer(folder, path.replace(`/${BUCKET}/`, '/'), request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    location: `s3://${BUCKET}`,
    env: {
      AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
      AWS_REGION: 'eu-central-1',
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
    },
    wake,
    stop() {
      wake();
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** Answers `GET` of an object, or of a range of it. */
async function answer(folder: string, path: string, request: IncomingMessage, response: ServerResponse) {
  const file = join(folder, normalize(path));
  const bytes = await stat(file).then(
    (found) => (found.isFile() ? found.size : null),
    () => null,
  );
  if (bytes === null) {
    response.writeHead(404, { 'content-type': 'application/xml' });
    response.end('<?xml version="1.0"?><Error><Code>NoSuchKey</Code><Message>there is no such object</Message></Error>');
    return;
  }
  const asked = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
  const start = asked ? Number(asked[1]) : 0;
  const end = asked ? Math.min(Number(asked[2]), bytes - 1) : bytes - 1;
  response.writeHead(asked ? 206 : 200, {
    'content-length': end - start + 1,
    'last-modified': 'Tue, 24 Nov 2026 12:00:00 GMT',
    etag: '"object"',
    ...(asked && { 'content-range': `bytes ${start}-${end}/${bytes}` }),
  });
  if (request.method === 'HEAD') response.end();
  else createReadStream(file, { start, end }).pipe(response);
}
