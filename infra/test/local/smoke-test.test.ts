/** Smoke test of a deployment against the real function: events of both endpoints, answers of both kinds. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PROJECT_FOLDER } from '../../lib/paths.ts';
import { check } from '../../lib/serving/smoke-test/check.mjs';
import { answerOf, eventOf } from '../../lib/serving/smoke-test/event.mjs';
import { newFolder } from '../folders.ts';
import { lambdaRuntime } from './lambda-runtime.ts';

const program = (name: string) => join(process.env.PROGRAMS!, name);
const corpus = join(PROJECT_FOLDER, '../training/corpus/the-north-light.txt');
let store: string;

beforeAll(() => {
  store = newFolder();
  const args = ['--set', 'training.epochs=1', '--set', 'training.final_evaluation_windows=4'];
  execFileSync(
    program('gpt'),
    ['train', '--preset', 'tiny', ...args, '--corpus', corpus, '--store', store, '--checkpoints', newFolder()],
    { stdio: 'pipe' },
  );
  // A training takes its time.
}, 300_000);

const started: ChildProcess[] = [];
afterAll(() => started.forEach((child) => child.kill('SIGKILL')));

/** What the smoke test says of a function with this environment. */
async function verdict(endpoint: string, environment: Record<string, string>, keyRequired = false): Promise<void> {
  const runtime = await lambdaRuntime();
  const env = { ...process.env, MODEL_STORE: store, ...environment, ...runtime.environment };
  const child = spawn(program('generate'), [], { env, stdio: 'ignore' });
  started.push(child);
  let requests = 0;
  try {
    await check(async (method: string, path: string, json?: object) => {
      const event = JSON.stringify(eventOf(endpoint, method, path, json));
      return answerOf(await runtime.invoke(`request-${(requests += 1)}`, event));
    }, keyRequired);
  } finally {
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    await runtime.stop();
  }
}

const cases = ['rest-api', 'function-url'].flatMap((endpoint) =>
  ['streaming', 'buffered'].map((mode) => [endpoint, mode] as const),
);

test.each(cases)('behind a %s, %s: lets a function through that has a model', async (endpoint, RESPONSE_MODE) => {
  await verdict(endpoint, { RESPONSE_MODE });
});

test.each(cases)('behind a %s, %s: stops one that has none', async (endpoint, RESPONSE_MODE) => {
  const environment = { RESPONSE_MODE, MODEL_CHANNEL: 'nothing' };
  await expect(verdict(endpoint, environment)).rejects.toThrow(/expected 200, found 503: .+no_model/);
});

test.each(cases)('behind a %s, %s: sees whether it asks for a key', async (endpoint, RESPONSE_MODE) => {
  const API_KEY_SHA256 = createHash('sha256').update('key').digest('hex');
  await verdict(endpoint, { RESPONSE_MODE, API_KEY_SHA256 }, true);
  await expect(verdict(endpoint, { RESPONSE_MODE }, true)).rejects.toThrow('expected 401, found 200');
});
