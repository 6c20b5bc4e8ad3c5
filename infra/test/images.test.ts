/** What images and workflows build on: versions and digests that agree. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { PROJECT_FOLDER } from '../lib/paths.ts';

const REPOSITORY = join(PROJECT_FOLDER, '..');
const read = (file: string): string => readFileSync(join(REPOSITORY, file), 'utf8');
const DOCKERFILES = ['training/Dockerfile', 'functions/generate/Dockerfile'];

/** The Rust that Cargo.toml asks for, such as `1.95`. */
const rust = /^rust-version = "(.*)"$/m.exec(read('Cargo.toml'))?.[1] ?? 'none';

test('all places name the same version of Rust', () => {
  expect(rust).toMatch(/^1\.\d+$/);
  const named = {
    'training/Dockerfile': /^FROM rust:(\d+\.\d+)\.\d+-/m,
    'functions/generate/Dockerfile': /^FROM rust:(\d+\.\d+)\.\d+-/m,
    'scripts/setup.sh': /printf '%s\\n' (\d+\.\d+)\.\d+ "\$rust"/,
    '.github/workflows/ci.yml': /^ {2}RUST: (\d+\.\d+)\.\d+$/m,
    '.github/workflows/sandbox.yml': /rustup toolchain install (\d+\.\d+)\.\d+ /,
  };
  for (const [file, pattern] of Object.entries(named)) expect([file, pattern.exec(read(file))?.[1]]).toEqual([file, rust]);
});

test('both images are built on the same bases, by digest', () => {
  const [training, generate] = DOCKERFILES.map((file) => read(file).match(/^FROM \S+/gm) ?? []);
  expect(training).toEqual(generate);
  for (const from of training ?? []) expect(from).toMatch(/^FROM (rust|debian):[\w.-]+@sha256:[0-9a-f]{64}$/);
});

test('every docker build names the platform and makes no attestation', () => {
  const texts = execFileSync('git', ['grep', '-lF', 'docker build --', '--', ':!infra/test'], { cwd: REPOSITORY, encoding: 'utf8' });
  // A line that ends with a backslash goes on.
  const commands = texts.trim().split('\n').flatMap((file) => read(file).match(/docker build --(?:.*\\\n)*.*/g) ?? []);
  expect(commands.length).toBeGreaterThanOrEqual(3);
  for (const command of commands) {
    expect(command).toContain('--provenance=false');
    // scripts/deploy.sh passes the platform as an option.
    expect(command).toMatch(/--platform linux\/amd64|"\$\{@:4\}"/);
  }
});
