/** Interruption notice of EC2: the real watcher, against a metadata service on loopback and stand-ins for its tools. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { listen } from './checkout.ts';
import { newFolder } from './folders.ts';
import { synthesize } from './support.ts';

const NOTICE = '{"action":"terminate","time":"2026-12-01T12:02:00Z"}';

/** The shell script in user data, which is base64 in multipart in base64. */
function userData(): string {
  const { training } = synthesize({ training: { compute: 'ec2' } });
  const [template] = Object.values(training.findResources('AWS::EC2::LaunchTemplate')) as [any];
  const [, parts] = template.Properties.LaunchTemplateData.UserData['Fn::Base64']['Fn::Join'];
  return parts.find((part: any) => part['Fn::Base64'])['Fn::Base64'];
}
const script = userData();

/** What it makes on an instance, below a folder that stands for its root. */
function installed(): string {
  const root = newFolder();
  for (const folder of ['etc/ecs', 'etc/default', 'etc/systemd/system', 'usr/local/sbin', 'tools']) {
    mkdirSync(join(root, folder), { recursive: true });
  }
  standIn(root, 'systemctl', 'exit 0');
  const here = script.replaceAll(/ (\/(?:etc|usr\/local)\/)/g, ` ${root}$1`);
  execFileSync('bash', ['--norc', '-e', '-c', here], { env: environment(root), stdio: ['ignore', 'pipe', 'inherit'] });
  return root;
}

/** A tool that notes how it is called. */
function standIn(root: string, name: string, body: string): void {
  const path = join(root, 'tools', name);
  writeFileSync(path, `#!/bin/sh\necho "${name} $*" >> "${join(root, 'notes')}"\n${body}\n`, { mode: 0o755 });
}

function environment(root: string): Record<string, string> {
  return { PATH: `${join(root, 'tools')}:${process.env.PATH}` };
}

function notesOf(root: string): string[] {
  const path = join(root, 'notes');
  return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : [];
}

const servers: Server[] = [];
const children: ChildProcess[] = [];
afterEach(() => {
  children.splice(0).forEach((child) => child.kill('SIGKILL'));
  servers.splice(0).forEach((server) => server.close());
});

/** A metadata service of version 2, which gives the notice, and fails, while it is told to. */
async function metadata() {
  const state = { noticed: false, broken: false, requests: 0, looks: 0, address: '' };
  const { server, address } = await listen((request, response) => {
    state.requests += 1;
    if (state.broken) request.socket.destroy();
    else if (request.method === 'PUT' && request.url === '/latest/api/token') {
      const hasTtl = Number(request.headers['x-aws-ec2-metadata-token-ttl-seconds']) > 0;
      response.writeHead(hasTtl ? 200 : 400).end('a token');
    } else if (request.headers['x-aws-ec2-metadata-token'] !== 'a token') {
      response.writeHead(401).end();
    } else if (request.url === '/latest/meta-data/spot/instance-action') {
      state.looks += 1;
      response.writeHead(state.noticed ? 200 : 404).end(state.noticed ? NOTICE : '<html>Not Found</html>');
    } else response.writeHead(404).end();
  });
  servers.push(server);
  return Object.assign(state, { address });
}

/** Starts the watcher as the unit does. */
function watch(root: string, IMDS: string) {
  const defaults = readFileSync(join(root, 'etc/default/spot-notice'), 'utf8');
  const ofUnit = Object.fromEntries([defaults.trim().split('=')]);
  const child = spawn(join(root, 'usr/local/sbin/spot-notice'), {
    env: { ...environment(root), ...ofUnit, IMDS, CHECK_SECONDS: '0.05' },
  });
  children.push(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  return new Promise<{ status: number | null; output: string }>((resolve) => {
    child.on('close', (status) => resolve({ status, output }));
  });
}

test('user data installs the watcher as a service, and leaves nothing to ECS that it does not do', () => {
  const root = installed();
  expect(notesOf(root)).toEqual(['systemctl enable --now --no-block spot-notice']);
  expect(readFileSync(join(root, 'etc/ecs/ecs.config'), 'utf8')).toBe(
    'ECS_CONTAINER_STOP_TIMEOUT=110s\nECS_ENABLE_SPOT_INSTANCE_DRAINING=true\n',
  );
  expect(statSync(join(root, 'usr/local/sbin/spot-notice')).mode & 0o777).toBe(0o755);
  const unit = readFileSync(join(root, 'etc/systemd/system/spot-notice.service'), 'utf8');
  expect(unit).toContain('\nExecStart=/usr/local/sbin/spot-notice\n');
  expect(unit).toContain('\nEnvironmentFile=/etc/default/spot-notice\n');
});

const PS = 'docker ps --quiet --filter label=com.amazonaws.ecs.task-arn';

test('at the notice, and not before, containers get 110 s, and the agent of ECS goes on', async () => {
  const root = installed();
  standIn(root, 'docker', '[ "$1" != ps ] || printf "one\\ntwo\\n"');
  const service = await metadata();
  const ended = watch(root, service.address);
  await vi.waitUntil(() => service.looks >= 3, { timeout: 10_000 });
  expect(notesOf(root)).toHaveLength(1);
  service.noticed = true;
  expect(await ended).toEqual({ status: 0, output: `spot-notice: ${NOTICE}\n` });
  expect(notesOf(root).slice(1)).toEqual([PS, 'docker stop --time 110 one two']);
});

test('where a container does not end in time, ECS learns that the machine is lost, and not that it was killed', async () => {
  const root = installed();
  // The agent is stopped 10 seconds before the end.
  writeFileSync(join(root, 'etc/default/spot-notice'), 'STOP_TIMEOUT_SECONDS=11\n');
  const untilTheAgentStops = `until grep -q "stop ecs" "${join(root, 'notes')}"; do sleep 0.05; done`;
  standIn(root, 'docker', `case $1 in ps) echo one ;; stop) ${untilTheAgentStops} ;; esac`);
  const service = await metadata();
  service.noticed = true;
  expect((await watch(root, service.address)).status).toBe(0);
  expect(notesOf(root).slice(1)).toEqual([PS, 'docker stop --time 11 one', 'systemctl stop ecs']);
});

test('without containers there is nothing to stop', async () => {
  const root = installed();
  standIn(root, 'docker', 'exit 0');
  const service = await metadata();
  service.noticed = true;
  expect((await watch(root, service.address)).status).toBe(0);
  expect(notesOf(root).slice(1)).toEqual([PS]);
});

test('a metadata service that fails for a while is asked again', async () => {
  const root = installed();
  standIn(root, 'docker', 'exit 0');
  const service = await metadata();
  Object.assign(service, { broken: true, noticed: true });
  const ended = watch(root, service.address);
  await vi.waitUntil(() => service.requests >= 3, { timeout: 10_000 });
  expect(notesOf(root)).toHaveLength(1);
  service.broken = false;
  expect((await ended).status).toBe(0);
  expect(notesOf(root).slice(1)).toEqual([PS]);
});
