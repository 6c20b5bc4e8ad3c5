/** Test support: a checkout with the real scripts, and with stand-ins that take notes for builds and tools. */
import { execFileSync, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { PROJECT_FOLDER } from '../lib/paths.ts';
import type { SettingsInput } from '../settings.ts';
import { newFolder } from './folders.ts';

const REPOSITORY = join(PROJECT_FOLDER, '..');
const STAND_IN = join(PROJECT_FOLDER, 'test/local/stand-in.mjs');
/** What the scripts may find beside the stand-ins: neither the AWS CLI nor Python, of whatever age they are. */
const TOOLS = 'bash cat date dirname env flock git grep head mktemp node npm rm sed sh sort'.split(' ');

export interface Result {
  readonly status: number | null;
  readonly stdout: string;
  /** Both streams. */
  readonly output: string;
  /** Command lines of the stand-ins. */
  readonly notes: string[];
}

export class Checkout {
  readonly folder = newFolder();
  readonly commit: string;
  private readonly notes = join(newFolder(), 'notes');
  private readonly standIns = newFolder();
  private readonly tools = newFolder();

  constructor(stages: Record<string, SettingsInput>) {
    const path = (...names: string[]) => join(this.folder, ...names);
    const link = (name: string) => symlinkSync(join(REPOSITORY, name), path(name));
    for (const folder of ['scripts', 'infra']) mkdirSync(path(folder));
    for (const name of ['Cargo.toml', 'training', 'infra/node_modules', 'infra/package-lock.json']) link(name);
    for (const name of ['deploy.sh', 'destroy.sh', 'npm_packages.sh']) link(`scripts/${name}`);
    for (const name of ['setup.sh', 'build-function.sh', 'build-site.sh']) symlinkSync(STAND_IN, path('scripts', name));
    for (const name of ['cdk', 'cargo', 'docker', 'curl']) symlinkSync(STAND_IN, join(this.standIns, name));
    for (const tool of TOOLS) symlinkSync(realPath(tool), join(this.tools, tool));
    // Copies, since modules are found from where a file really lies.
    for (const name of ['bin', 'deploy', 'lib', 'settings']) {
      cpSync(join(PROJECT_FOLDER, name), path('infra', name), { recursive: true });
    }
    writeFileSync(
      path('infra/settings.ts'),
      `import { stages } from '${join(PROJECT_FOLDER, 'settings.ts')}';\n` +
        `export * from '${join(PROJECT_FOLDER, 'settings.ts')}';\n` +
        `Object.assign(stages, ${JSON.stringify(stages)});\n`,
    );
    const manifest = { type: 'module', scripts: { cdk: join(this.standIns, 'cdk') } };
    writeFileSync(path('infra/package.json'), JSON.stringify(manifest));

    const git = (...args: string[]) => execFileSync('git', args, { cwd: this.folder, encoding: 'utf8' }).trim();
    git('init', '--quiet');
    git('add', '--all');
    git('-c', 'user.name=test', '-c', 'user.email=test@example.org', 'commit', '--quiet', '--message', 'test');
    this.commit = git('rev-parse', 'HEAD');
  }

  removeDocker(): void {
    rmSync(join(this.standIns, 'docker'));
  }

  /** Runs a program of the checkout, or a tool, with nothing in its environment but what is given. */
  async run(program: string, args: string[], environment: Record<string, string> = {}, input = ''): Promise<Result> {
    rmSync(this.notes, { force: true });
    const child = spawn(program.includes('/') ? join(this.folder, program) : program, args, {
      cwd: this.folder,
      env: { PATH: `${this.standIns}:${this.tools}`, HOME: newFolder(), NOTES: this.notes, ...environment },
    });
    // Most read none of it.
    child.stdin.on('error', () => {}).end(input);
    const ended = new Promise<number | null>((resolve, reject) => child.on('close', resolve).on('error', reject));
    const [status, stdout, stderr] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
    const notes = existsSync(this.notes) ? readFileSync(this.notes, 'utf8').trim().split('\n') : [];
    return { status, stdout, output: stdout + stderr, notes };
  }

  /** Runs one of `deploy/`. */
  program(name: string, args: string[], environment: Record<string, string>, input?: string): Promise<Result> {
    const command = ['--import', './infra/node_modules/tsx/dist/loader.mjs', `infra/deploy/${name}.ts`, ...args];
    return this.run('node', command, environment, input);
  }
}

function realPath(tool: string): string {
  return execFileSync('bash', ['-c', 'type -P "$0"', tool], { encoding: 'utf8' }).trim();
}

/** moto's server, with its environment for clients. */
export interface Moto {
  readonly environment: Record<string, string>;
  /** Credentials that may not do everything. */
  readonly user: Record<string, string>;
  stop(): Promise<void>;
}

export async function startMoto(): Promise<Moto> {
  const child = spawn('python', [join(PROJECT_FOLDER, 'test/local/serve.py')], { stdio: ['pipe', 'pipe', 'inherit'] });
  const closed = new Promise<void>((resolve) => child.on('close', () => resolve()));
  let line = '';
  for await (const chunk of child.stdout) {
    line += chunk;
    if (line.endsWith('\n')) break;
  }
  return {
    ...JSON.parse(line),
    async stop() {
      child.stdin.end();
      await closed;
    },
  };
}

/** An HTTP server on loopback, and its address. */
export async function listen(handler: RequestListener): Promise<{ server: Server; address: string }> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, address: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}
