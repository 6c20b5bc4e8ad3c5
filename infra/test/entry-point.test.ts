/** Entry point of the training image: environment to arguments, with a `gpt` that only prints its arguments. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { PROJECT_FOLDER } from '../lib/paths.ts';
import { newFolder } from './folders.ts';

const programs = newFolder();
writeFileSync(join(programs, 'gpt'), '#!/bin/sh\nprintf "%s\\n" "$@"\n', { mode: 0o755 });

const job = { CORPUS: 's3://texts/', PRESET: 'books', PROMOTE: 'live', MARGIN: '0.1', CHECKPOINT_EVERY_STEPS: '7' };

function train(environment: Record<string, string>, args: string[] = []) {
  return spawnSync(join(PROJECT_FOLDER, '../training/image/train.sh'), args, {
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

test('an array with more jobs than presets is an error', () => {
  const { status, stderr } = train({ PRESETS: 'tiny', AWS_BATCH_JOB_ARRAY_INDEX: '1' });
  expect(status).toBe(2);
  expect(stderr).toContain('PRESETS has no preset for job 1: tiny');
});

test('a setting that is missing is an error', () => {
  const { status, stderr } = spawnSync(join(PROJECT_FOLDER, '../training/image/train.sh'), {
    env: { PATH: `${programs}:${process.env.PATH}`, ...job, CORPUS: undefined },
    encoding: 'utf8',
  });
  expect(status).not.toBe(0);
  expect(stderr).toContain('CORPUS');
});
