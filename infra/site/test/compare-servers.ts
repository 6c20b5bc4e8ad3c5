/** Servers for the comparison page, each at an origin of its own. */
import { readFile } from 'node:fs/promises';
import { createServer as createHttpServer, request } from 'node:http';
import { type AddressInfo, type Socket, createConnection, createServer } from 'node:net';
import { join } from 'node:path';
import type { CurvePoint, Manifest } from '../src/api/types.ts';
import { type Server, startServer } from './programs.ts';

/** A port that nothing listens on. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Serves the page at `port` with the model in `store`, compared with those behind `apis`. */
export function startPage(store: string, port: number, apis: readonly string[]): Promise<Server> {
  const compare = apis.length > 0 ? ['--site-apis', apis.join(',')] : [];
  return startServer(store, ['--listen', `127.0.0.1:${port}`, ...compare]);
}

/** Manifest and loss curve of the live version in `store`. */
export async function published(store: string): Promise<{ manifest: Manifest; curve: CurvePoint[] }> {
  const read = (path: string) => readFile(join(store, path), 'utf8');
  const channel = JSON.parse(await read('channels/live.json')) as { name: string; version: string };
  const folder = join('models', channel.name, channel.version);
  const lines = (await read(join(folder, 'metrics.jsonl'))).trim().split('\n');
  return {
    manifest: JSON.parse(await read(join(folder, 'manifest.json'))) as Manifest,
    // The other lines are steps.
    curve: lines.map((line) => JSON.parse(line) as CurvePoint).filter((line) => 'val_loss' in line),
  };
}

/** A way to a server that lets nothing pass until it is opened: as a function that has to be started. */
export async function startGate(target: string): Promise<{ url: string; open(): void; stop(): Promise<void> }> {
  const waiting: (() => void)[] = [];
  const sockets = new Set<Socket>();
  let isOpen = false;
  const gate = createServer((client) => {
    sockets.add(client);
    client.on('error', () => {}); // Browsers leave as they like.
    const connect = () => {
      const server = createConnection(Number(new URL(target).port), '127.0.0.1');
      sockets.add(server);
      server.on('error', () => client.destroy());
      client.pipe(server).pipe(client);
    };
    if (isOpen) connect();
    else waiting.push(connect);
  });
  await new Promise<void>((resolve) => gate.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(gate.address() as AddressInfo).port}`,
    open() {
      isOpen = true;
      for (const connect of waiting.splice(0)) connect();
    },
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => gate.close(resolve));
    },
  };
}

/** A way to a server that wants a key first, and says so as API Gateway does; `origin` may read it. */
export async function startKeyedGateway(target: string, key: string, origin: string): Promise<Omit<Server, 'log'>> {
  const gateway = createHttpServer((incoming, outgoing) => {
    if (incoming.method !== 'OPTIONS' && incoming.headers['x-api-key'] !== key) {
      outgoing.writeHead(403, { 'content-type': 'application/json', 'access-control-allow-origin': origin });
      outgoing.end('{"message":"Forbidden"}');
      return;
    }
    const { method, headers } = incoming;
    const passed = request(new URL(incoming.url ?? '/', target), { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    incoming.pipe(passed);
  });
  await new Promise<void>((resolve) => gateway.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(gateway.address() as AddressInfo).port}`,
    async stop() {
      gateway.closeAllConnections();
      await new Promise((resolve) => gateway.close(resolve));
    },
  };
}
