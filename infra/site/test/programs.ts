/** The programs `gpt` and `generate` for browser tests. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

/** The repository. */
export const REPOSITORY = path('../../../');
/** The built page. */
export const SITE = path('../dist');
/** The project's story. */
export const CORPUS = join(REPOSITORY, 'training/corpus/the-north-light.txt');

/** A program of the project: in the folder `PROGRAMS`, or where cargo puts it. */
export function program(name: 'gpt' | 'generate'): string {
  return join(process.env['PROGRAMS'] ?? join(REPOSITORY, 'target/release'), name);
}

/**
 * Trains the preset `tiny` on `corpus`, and publishes it to `store`; `more` are further arguments. Little text is
 * evaluated, which takes as long as the training otherwise.
 */
export async function trainTiny(corpus: string, store: string, more: string[] = []): Promise<void> {
  const folder = await temporaryFolder();
  const name = more.includes('--name') ? [] : ['--name', 'tiny'];
  const places = ['--corpus', corpus, '--store', store, '--checkpoints', folder.path];
  const args = ['train', '--preset', 'tiny', '--set', 'training.final_evaluation_windows=4', ...name, ...places];
  try {
    await promisify(execFile)(program('gpt'), [...args, ...more], { timeout: 60_000 });
  } finally {
    await folder.remove();
  }
}

/** A store, in `folder`, with a tiny model of another text than the project's: short, and the same thing over and over. */
export async function trainOnTides(folder: string): Promise<string> {
  const corpus = join(folder, 'tides.txt');
  const lines = Array.from({ length: 400 }, (_, day) => `On day ${day} the tide came in at ${day % 24} and went out again.`);
  await writeFile(corpus, lines.join('\n'));
  const store = join(folder, 'tides');
  await trainTiny(corpus, store, ['--name', 'tides', '--set', 'training.epochs=1']);
  return store;
}

/** Gives the live version of a store a built-in chat template, as a training that teaches to answer does. */
export async function addTemplate(store: string, template: string): Promise<void> {
  const json = async (file: string) => JSON.parse(await readFile(file, 'utf8'));
  const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
  const channel = join(store, 'channels/live.json');
  const live = await json(channel);
  const folder = join(store, 'models', live.name, live.version);
  const source = await readFile(join(REPOSITORY, `training/artifact/src/chat/templates/${template}.jinja`), 'utf8');
  await writeFile(join(folder, 'chat_template.jinja'), source);
  const manifest = await json(join(folder, 'manifest.json'));
  const bytes = Buffer.byteLength(source);
  manifest.files.push({ path: 'chat_template.jinja', role: 'chat_template', bytes, sha256: sha256(source) });
  const written = JSON.stringify(manifest);
  await writeFile(join(folder, 'manifest.json'), written);
  await writeFile(channel, JSON.stringify({ ...live, manifest_sha256: sha256(written) }));
}

/** Publishes the live version of one store to another, which has none. */
export async function publishLive(from: string, to: string): Promise<void> {
  await promisify(execFile)(program('gpt'), ['publish', 'channel:live', '--from', from, '--store', to, '--promote', 'live']);
}

/** A folder that is removed when a test file is done with it. */
export async function temporaryFolder(): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'site-test-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** A running `generate`. */
export interface Server {
  /** Its address, without a slash at its end. */
  readonly url: string;
  /** Its log so far. */
  log(): string;
  /** Ends it, and waits until it has ended. */
  stop(): Promise<void>;
}

/** Starts `generate` with the built page and waits until it has its model; `env` is added to the environment. */
export async function startServer(store: string, more: string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Server> {
  const listens = more.includes('--listen') ? [] : ['--listen', '127.0.0.1:0'];
  const { child, ...server } = start(store, [...listens, ...more], env);
  try {
    return { url: await address(child, server.log), ...server };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

/** Starts `generate` with the built page and waits only until it answers, whether it has its model or not. */
export async function startLoading(store: string, more: string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Server> {
  const free = await freeAddress();
  const url = `http://${free}`;
  const { child, ...server } = start(store, ['--listen', free, ...more], env);
  while (child.exitCode === null) {
    if (await fetch(`${url}/health`).catch(() => null)) return { url, ...server };
    await setTimeout(20);
  }
  throw new Error(`generate ended with ${child.exitCode}: ${server.log()}`);
}

function start(store: string, more: string[], env: NodeJS.ProcessEnv) {
  const child = spawn(program('generate'), ['--store', store, '--site', SITE, ...more], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const kill = () => void child.kill('SIGKILL');
  // Tests that are themselves stopped leave no server behind.
  process.once('exit', kill);
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = async () => {
    // Also while a text is written or a model is loaded: nobody waits for it any more.
    kill();
    await ended;
    process.off('exit', kill);
  };
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => {
    log += chunk.toString();
  });
  return { child, stop, log: () => log };
}

/** An address on which nothing listens. */
export async function freeAddress(): Promise<string> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return `127.0.0.1:${port}`;
}

/** The address that it prints once it listens. */
function address(child: ChildProcess, log: () => string): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      const url = /listening on (http:\/\/\S+)/.exec(output)?.[1];
      if (url) resolve(url);
    });
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`generate ended with ${code} before it listened: ${log()}`)));
  });
}
