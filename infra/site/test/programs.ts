/** The project's programs, as browser tests run them. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

/** The repository. */
export const REPOSITORY = path('../../../');
/** The built page. */
export const SITE = path('../dist');
/** The project's story. */
export const CORPUS = join(REPOSITORY, 'training/corpus');

/** A program of the project: in the folder `PROGRAMS`, or where cargo puts it. */
export function program(name: 'gpt' | 'generate'): string {
  return join(process.env['PROGRAMS'] ?? join(REPOSITORY, 'target/release'), name);
}

/** Trains the preset `tiny` on `corpus`, and publishes it to `store`; `more` are further arguments. */
export async function trainTiny(corpus: string, store: string, more: string[] = []): Promise<void> {
  const checkpoints = await mkdtemp(join(tmpdir(), 'site-checkpoints-'));
  const args = ['train', '--preset', 'tiny', '--corpus', corpus, '--store', store, '--checkpoints', checkpoints];
  try {
    await promisify(execFile)(program('gpt'), [...args, ...more], { timeout: 60_000 });
  } finally {
    await rm(checkpoints, { recursive: true, force: true });
  }
}

/** A running `generate`. */
export interface Server {
  /** Its address, without a slash at its end. */
  readonly url: string;
  /** Ends it, and waits until it has ended. */
  stop(): Promise<void>;
}

/** Starts `generate` with the built page and waits until it listens; `env` is added to the environment. */
export async function startServer(store: string, more: string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Server> {
  const listens = more.includes('--listen') ? [] : ['--listen', '127.0.0.1:0'];
  const child = spawn(program('generate'), ['--store', store, '--site', SITE, ...listens, ...more], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = async () => {
    child.kill('SIGTERM');
    await ended;
  };
  try {
    return { url: await address(child), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What it prints once it listens. */
function address(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = '';
    let log = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      const url = /listening on (http:\/\/\S+)/.exec(output)?.[1];
      if (url) resolve(url);
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      log = (log + chunk.toString()).slice(-4000);
    });
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`generate ended with ${code} before it listened: ${log}`)));
  });
}
