/** Entry point of the training image: environment to arguments, with a `gpt` that only prints its arguments. */
import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { PROJECT_FOLDER } from '../lib/paths.ts';
import { newFolder } from './folders.ts';

const TRAIN = join(PROJECT_FOLDER, '../training/image/train.sh');
const programs = newFolder();
writeFileSync(join(programs, 'gpt'), '#!/bin/sh\nprintf "%s\\n" "$@"\n', { mode: 0o755 });

const job = { CORPUS: 's3://texts/', PRESET: 'books', PROMOTE: 'live', MARGIN: '0.1', CHECKPOINT_EVERY_STEPS: '7' };

function train(environment: Record<string, string>, args: string[] = []) {
  return spawnSync(TRAIN, args, {
    env: { PATH: `${programs}:${process.env.PATH}`, ...job, ...environment },
    encoding: 'utf8',
  });
}

const gptArguments = (...parameters: Parameters<typeof train>) => train(...parameters).stdout.trim().split('\n');

test('the environment becomes arguments, and further arguments are passed on', () => {
  expect(gptArguments({}, ['--set', 'training.epochs=3'])).toEqual([
    ...['train', '--preset', 'books', '--corpus', 's3://texts/', '--promote', 'live', '--margin', '0.1'],
    ...['--resume', '--mirror-checkpoints', '--set', 'training.checkpoint_every_steps=7'],
    ...['--set', 'training.epochs=3'],
  ]);
});

test('a device is named only if there is one', () => {
  const device = ['--device', 'cuda', '--devices', '2', '--name', 'mine'];
  expect(gptArguments({ DEVICE: 'cuda', DEVICES: '2' }, ['--name', 'mine']).slice(-6)).toEqual(device);
  expect(gptArguments({}).join()).not.toContain('--device');
});

test('a command of its own is run as it is', () => {
  expect(gptArguments({}, ['gpt', 'prune', '--keep', '5'])).toEqual(['prune', '--keep', '5']);
});

test('a model to start from is named only if there is one', () => {
  expect(gptArguments({ INIT: 'channel:live' }).slice(0, 3)).toEqual(['finetune', 'channel:live', '--preset']);
  expect(gptArguments({ INIT: '' }).slice(0, 2)).toEqual(['train', '--preset']);
});

test('each job of an array has its own preset and channel, and starts from nothing', () => {
  const sweep = { PRESETS: 'tiny the-verdict', INIT: 'channel:live' };
  const last = gptArguments({ ...sweep, AWS_BATCH_JOB_ARRAY_INDEX: '1' });
  expect(last.slice(1, 3)).toEqual(['--preset', 'the-verdict']);
  expect(last).toContain('sweep-the-verdict');
  expect(last[0]).toBe('train');
  expect(gptArguments({ ...sweep, AWS_BATCH_JOB_ARRAY_INDEX: '0' })).toContain('sweep-tiny');
});

describe('SIGTERM', () => {
  /** Runs until gpt has begun, then sends the signal; this gpt ends with `status` as it does for one. */
  async function stopped(status: number): Promise<number | null> {
    const folder = newFolder();
    const gpt = `#!/bin/sh\ntrap 'exit ${status}' TERM\necho begun\nwhile :; do sleep 0.05; done\n`;
    writeFileSync(join(folder, 'gpt'), gpt, { mode: 0o755 });
    const env = { PATH: `${folder}:${process.env.PATH}`, ...job };
    const child = spawn(TRAIN, { env, stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
    await new Promise((resolve) => child.stdout.once('data', resolve));
    child.kill('SIGTERM');
    return ended;
  }

  test('reaches gpt, and a run that it ends can be told from one that failed', async () => {
    expect(await stopped(1)).toBe(143);
    expect(await stopped(130)).toBe(143);
  });

  test('changes nothing for a run that was at its end', async () => {
    expect(await stopped(0)).toBe(0);
    expect(await stopped(3)).toBe(3);
  });
});

test('the exit code is that of gpt', () => {
  const folder = newFolder();
  const ends = (status: number) => {
    writeFileSync(join(folder, 'gpt'), `#!/bin/sh\nexit ${status}\n`, { mode: 0o755 });
    return spawnSync(TRAIN, { env: { PATH: `${folder}:${process.env.PATH}`, ...job } }).status;
  };
  expect([0, 1, 3, 130].map(ends)).toEqual([0, 1, 3, 130]);
});

test('an array with more jobs than presets is an error', () => {
  const { status, stderr } = train({ PRESETS: 'tiny', AWS_BATCH_JOB_ARRAY_INDEX: '1' });
  expect(status).toBe(2);
  expect(stderr).toContain('PRESETS has no preset for job 1: tiny');
});

test('a setting that is missing is an error', () => {
  const { status, stderr } = spawnSync(TRAIN, {
    env: { PATH: `${programs}:${process.env.PATH}`, ...job, CORPUS: undefined },
    encoding: 'utf8',
  });
  expect(status).not.toBe(0);
  expect(stderr).toContain('CORPUS');
});
