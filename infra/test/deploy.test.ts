/** Deployment: the real scripts, against moto in place of AWS, with stand-ins for the tools that they run. */
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { SettingsInput } from '../settings.ts';
import { Checkout, listen, type Moto, type Result, startMoto } from './checkout.ts';
import { newFolder } from './folders.ts';
import { synthesize } from './support.ts';

const ACCOUNT = '123456789012';
const STAGES: Record<string, SettingsInput> = {
  dev: {},
  prod: { serving: { reservedConcurrency: 10 } },
  full: {
    account: ACCOUNT,
    region: 'eu-north-1',
    serving: { channel: 'stable', package: 'image', architecture: 'arm64', apiKey: {} },
    training: { corpusPrefix: 'books/', imageTag: 'v7', compute: 'ec2', gpus: 1, instanceTypes: ['g5.xlarge'] },
  },
  again: { storage: { adopt: { artifacts: 'models', corpus: 'texts' } } },
  elsewhere: { account: '999999999999' },
  // On machines with 48 vCPUs, of which the job has 4.
  gpus: { account: ACCOUNT, training: { compute: 'ec2', gpus: 4 } },
};

test('the outputs that the scripts read are those of the stacks', () => {
  const templates = Object.values(synthesize({ serving: { apiKey: {} } }));
  const outputs = templates.flatMap((template) => Object.keys(template.findOutputs('*')));
  const buckets = ['ModelStore', 'CorpusBucket'];
  const read = [...buckets, 'TrainingRepository', 'FunctionRepository', 'Url', 'FunctionName', 'SiteUrl'];
  expect(outputs).toEqual(expect.arrayContaining(read));
  expect(Object.keys(templates[1]!.findResources('AWS::ApiGateway::ApiKey'))).toHaveLength(1);
});

// scripts/test_infra.sh installs it.
const hasMoto = spawnSync('python', ['-c', 'import moto.server']).status === 0;
describe.runIf(hasMoto)('with an account', { timeout: 300_000 }, () => {
  let moto: Moto;
  let checkout: Checkout;
  const servers: Server[] = [];
  /** What moto does not know: limits of Lambda and of Service Quotas. */
  const limits = { concurrency: 0, unreserved: 0, held: 0, spot: 0, onDemand: 0, denied: false };
  let ofLimits: Record<string, string>;

  async function serve(...parameters: Parameters<typeof listen>): Promise<string> {
    const { server, address } = await listen(...parameters);
    servers.push(server);
    return address;
  }

  beforeAll(async () => {
    moto = await startMoto();
    const address = await serve(async (request, response) => {
      const { QuotaCode } = JSON.parse((await text(request)) || '{}');
      const Value = QuotaCode === 'L-3032A538' ? limits.onDemand : limits.spot;
      let answer: object = { Quota: { QuotaCode, QuotaName: 'vCPUs', Value } };
      if (request.url?.includes('account-settings')) {
        const { concurrency, unreserved } = limits;
        answer = { AccountLimit: { ConcurrentExecutions: concurrency, UnreservedConcurrentExecutions: unreserved } };
      } else if (request.url?.endsWith('/concurrency')) answer = { ReservedConcurrentExecutions: limits.held };
      if (limits.denied) {
        response.writeHead(400, { 'x-amzn-errortype': 'AccessDeniedException' });
        answer = { __type: 'AccessDeniedException', message: 'not for you' };
      }
      response.end(JSON.stringify(answer));
    });
    ofLimits = { AWS_ENDPOINT_URL_LAMBDA: address, AWS_ENDPOINT_URL_SERVICE_QUOTAS: address };
    checkout = new Checkout(STAGES);
  });
  afterAll(async () => {
    for (const server of servers) server.close();
    await moto.stop();
  });
  beforeEach(() => {
    Object.assign(limits, { concurrency: 1000, unreserved: 1000, held: 0, spot: 64, onDemand: 64, denied: false });
  });

  const inRegion = (AWS_REGION: string): Record<string, string> => ({ ...moto.environment, ...ofLimits, AWS_REGION });
  const send = (path: string, init?: RequestInit) => fetch(`${moto.environment.AWS_ENDPOINT_URL}/${path}`, init);
  /** How many requests moto takes before it asks who may make them. */
  const freeRequests = (body: string) => send('moto-api/reset-auth', { method: 'POST', body });
  /** A request to S3; moto takes any signature. */
  const object = (address: string, init?: RequestInit) => {
    const signature = 'Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0';
    return send(address.replace('s3://', ''), { ...init, headers: { Authorization: `AWS4-HMAC-SHA256 ${signature}` } });
  };
  const put = (address: string, body?: string) => object(address, { method: 'PUT', body });

  async function outputs(stage: string, region: string): Promise<Record<string, string>> {
    const { stdout } = await checkout.program('outputs', [stage], inRegion(region));
    return Object.fromEntries(stdout.trim().split('\n').map((line) => line.split('=', 2)));
  }

  /** Makes all stacks of a stage. */
  function createStacks(stage: string, region: string): Promise<Result> {
    return checkout.run('cdk', ['deploy', '--context', `stage=${stage}`, '--context', 'email=none', '--all'], inRegion(region));
  }

  describe('deploy.sh', () => {
    test('makes all of a new stage as its settings say, in order, and tells no secret', async () => {
      const region = 'eu-north-1';
      const args = ['--stage', 'full', '--email', 'none', '--preset', 'tiny', '--yes'];
      // Only the settings name the region; the tools, and the stand-ins for them, find it in the environment.
      const { AWS_REGION: _, ...nowhere } = inRegion(region);
      const { status, output, notes } = await checkout.run('scripts/deploy.sh', args, nowhere);
      expect(status, output).toBe(0);

      const { ModelStore, CorpusBucket, TrainingRepository, FunctionRepository } = await outputs('full', region);
      const { commit } = checkout;
      const cdk = 'cdk deploy --context stage=full --context email=none';
      const gpt = 'cargo run --release --locked --bin gpt -- train --preset tiny --corpus training/corpus';
      const login = `docker login --username AWS --password-stdin ${ACCOUNT}.dkr.ecr.${region}.amazonaws.com`;
      const build = (dockerfile: string, options: string, image: string) =>
        `docker build --provenance=false --file ${dockerfile} ${options} ` +
        `--build-arg SOURCE_COMMIT=${commit} --tag ${image} .`;
      const digest = 'sha256:[0-9a-f]{64}';
      const password = `password: ${ACCOUNT}-auth-token`;
      const header = expect.stringMatching(/^header: 600 x-api-key: \w{40}$/);
      expect(notes).toEqual([
        'build-site.sh',
        `cdk bootstrap aws://${ACCOUNT}/${region}`,
        `${cdk} --require-approval never TroelsLLM-full-Storage`,
        'setup.sh',
        `${gpt} --store ${ModelStore} --promote stable`,
        build('training/Dockerfile', '--platform linux/amd64 --build-arg CUDA=1', `${TrainingRepository}:v7`),
        login,
        password,
        `docker push ${TrainingRepository}:v7`,
        build('functions/generate/Dockerfile', '--platform linux/arm64', `${FunctionRepository}:${commit}`),
        login,
        password,
        `docker push ${FunctionRepository}:${commit}`,
        expect.stringMatching(
          `^${cdk} --context trainingImage=${digest} --context functionImage=${digest} --require-approval never --all$`,
        ),
        expect.stringMatching(/^curl .+ --header @\S+ https:\/\/api\.example\.org\/api\/health$/),
        header,
        expect.stringMatching(/^curl .+ --header @\S+ https:\/\/api\.example\.org\/api\/generate --json .+$/),
        header,
      ]);
      expect(output).toContain(`stage full: account ${ACCOUNT}, region ${region}`);
      expect((await object(`${CorpusBucket}/books/the-north-light.txt`)).status).toBe(200);

      const key = notes.at(-1)!.split(' ').at(-1)!;
      for (const secret of [key, 'auth-token', moto.environment.AWS_SECRET_ACCESS_KEY!]) {
        expect(` ${output} `).not.toMatch(new RegExp(`[^a-z]${secret}[^a-z]`));
      }
      expect(existsSync(/--header @(\S+)/.exec(notes.join('\n'))![1]!)).toBe(false);

      // The next time there is a model, a bootstrap stack, and an image with each tag.
      await put(`${ModelStore}/channels/stable.json`, '{"version": "mine/3"}');
      const again = await checkout.run('scripts/deploy.sh', args, inRegion(region));
      expect(again.status, again.output).toBe(0);
      expect(again.output).toContain('channel stable names mine/3');
      const all = notes.find((note) => note.endsWith('--all'));
      expect(again.notes.filter((note) => !/^(curl|header)/.test(note))).toEqual([
        'build-site.sh',
        `${cdk} --require-approval never TroelsLLM-full-Storage`,
        all,
      ]);
    });

    test('stops if the store does not say whether there is a model', async () => {
      await freeRequests('0');
      const environment = { ...inRegion('eu-west-1'), ...moto.user };
      const { status, output, notes } = await checkout.run('scripts/deploy.sh', ['--email', 'none'], environment);
      await freeRequests('inf');
      expect(status).toBe(1);
      expect(output).toMatch(/error: s3:\S+\/channels\/live\.json cannot be read, .+AccessDenied/);
      // Nor could it see whether there is a bootstrap stack: the CDK will know.
      expect(output).toContain("warning: the CDK's bootstrap stack could not be checked: ");
      const storage = 'cdk deploy --context stage=dev --context email=none TroelsLLM-dev-Storage';
      expect(notes).toEqual(['build-function.sh', 'build-site.sh', storage]);
    });

    test('keeps the last image if there is no docker, and says so', async () => {
      const region = 'us-west-2';
      const without = new Checkout(STAGES);
      without.removeDocker();
      const first = await without.run('scripts/deploy.sh', ['--email', 'none'], inRegion(region));
      expect(first.status, first.output).toBe(0);
      expect(first.output).toContain('dev-storage-trainingimages1 has none, so jobs fail until one is pushed');
      expect(first.notes.find((note) => note.endsWith('--all'))).toBe('cdk deploy --context stage=dev --context email=none --all');

      const { TrainingRepository } = await outputs('dev', region);
      await checkout.run('docker', ['push', `${TrainingRepository}:older`], inRegion(region));
      const second = await without.run('scripts/deploy.sh', ['--email', 'none'], inRegion(region));
      expect(second.output).toMatch(/no image is built without docker; troelsllm-dev-storage-trainingimages1 has sha256:/);
      expect(second.notes.find((note) => note.endsWith('--all'))).toMatch(/ --context trainingImage=sha256:\S+ --all$/);
      expect(second.notes.join()).not.toContain('docker');
    });

    test('tells all problems at once, before anything is built', async () => {
      Object.assign(limits, { concurrency: 10, unreserved: 10, spot: 2 });
      const environment = { ...inRegion('eu-west-1'), CURL_VERSION: '7.81.0', DOCKER_IS_DOWN: 'yes' };
      const args = ['--stage', 'prod', '--yes'];
      const { status, output, notes } = await checkout.run('scripts/deploy.sh', args, environment);
      expect(status).toBe(1);
      expect(output).toContain('problem: nobody is told of alarms; say who: --email ADDRESS');
      expect(output).toContain('problem: curl 7.82 or newer is needed, found 7.81.0');
      expect(output).toContain('problem: docker does not work: the daemon is not running');
      expect(output).toContain('problem: serving.reservedConcurrency is 10, and the account can reserve 0 of its 10');
      expect(output).toMatch(/problem: training\.vcpus is 4, .+L-36FBB829\) is 2: no job can start/);
      expect(notes).toEqual([]);
    });

    test('takes no image for the function without docker', async () => {
      const args = ['--stage', 'full', '--without-docker'];
      const { status, output } = await checkout.run('scripts/deploy.sh', args, inRegion('eu-north-1'));
      expect(status).toBe(1);
      expect(output).toContain('problem: serving.package is image, which takes docker');
    });
  });

  describe('the channel of a store', () => {
    const channel = (store: string, environment = {}) =>
      checkout.program('channel', [store, 'live'], { ...inRegion('eu-west-1'), ...environment });

    test('is not empty because the store fails, or is not there', async () => {
      const broken = await serve((_, response) => response.writeHead(500).end());
      const failed = await channel('s3://store', { AWS_ENDPOINT_URL_S3: broken });
      expect(failed.status).toBe(1);
      expect(failed.output).toContain('cannot be read, so nothing is trained');
      const missing = await channel('s3://no-such-store');
      expect(missing.status).toBe(1);
      expect(missing.output).toContain('NoSuchBucket');
    });

    test('is empty if there is none, and a damaged one is not', async () => {
      await put('store');
      expect(await channel('s3://store')).toMatchObject({ status: 0, stdout: '' });
      await put('store/channels/live.json', '{');
      expect((await channel('s3://store')).status).toBe(1);
    });

    test('is not trained for with texts of the demo where there are others', async () => {
      await put('texts');
      await put('texts/books/mine.txt', 'mine');
      const upload = (prefix: string) =>
        checkout.program('demo-texts', ['training/corpus', 'texts', prefix], inRegion('eu-west-1'));
      expect((await upload('books/')).output).toContain('has texts, such as books/mine.txt');
      expect((await object('texts/books/the-north-light.txt')).status).toBe(404);
      expect((await upload('songs/')).output).toContain('s3://texts/songs/the-north-light.txt: uploaded');
    });
  });

  describe('the preflight', () => {
    const preflight = (stage: string, environment: Record<string, string>, input = '', ...args: string[]) =>
      checkout.program('preflight', ['--stage', stage, ...args], environment, input);

    test('finds the region as the CDK does, and stops without one', async () => {
      const { AWS_REGION: _, ...nowhere } = inRegion('');
      const none = await preflight('dev', nowhere);
      expect(none.status).toBe(1);
      expect(none.output).toContain('there is no AWS region');
      const second = await preflight('dev', { ...nowhere, AWS_DEFAULT_REGION: 'eu-west-3' });
      expect(second.stdout).toBe(`account=${ACCOUNT}\nregion=eu-west-3\nbootstrap=missing\napi_log_role=\n`);
      const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, ...unsigned } = nowhere;
      const keys = `aws_access_key_id = ${AWS_ACCESS_KEY_ID}\naws_secret_access_key = ${AWS_SECRET_ACCESS_KEY}`;
      const config = join(newFolder(), 'config');
      writeFileSync(config, `[profile mine]\nregion = eu-west-1\n${keys}\n`);
      const mine = { AWS_CONFIG_FILE: config, AWS_PROFILE: 'mine' };
      const profile = await preflight('dev', { ...unsigned, ...mine });
      expect(profile.stdout).toBe(`account=${ACCOUNT}\nregion=eu-west-1\nbootstrap=\napi_log_role=\n`);
      const both = await preflight('dev', { ...nowhere, ...mine });
      expect(both.output).toContain('problem: both AWS_PROFILE and AWS_ACCESS_KEY_ID are set');
      const ofStage = await preflight('full', nowhere, '', '--yes');
      expect(ofStage.stdout).toContain('region=eu-north-1\n');
    });

    test('stops without credentials', async () => {
      const { AWS_ACCESS_KEY_ID: _, ...environment } = inRegion('eu-west-1');
      const { status, output } = await preflight('dev', environment);
      expect(status).toBe(1);
      expect(output).toMatch(/problem: AWS does not say who you are: .+AWS_PROFILE/);
    });

    test('refuses an account or a region other than the stage names', async () => {
      const account = await preflight('elsewhere', inRegion('eu-west-1'), '', '--yes');
      const belongs = 'problem: stage elsewhere belongs to account 999999999999 (infra/settings.ts)';
      expect(account.output).toContain(`${belongs}, and this is account ${ACCOUNT}`);
      const region = await preflight('full', inRegion('eu-west-1'), '', '--yes');
      expect(region.output).toMatch(/problem: stage full belongs to region eu-north-1 .+ this is region eu-west-1/);
      expect([account.status, region.status]).toEqual([1, 1]);
      // Nor are there templates for `cdk deploy`, which says by these whose credentials it has.
      const credentials = { CDK_DEFAULT_ACCOUNT: ACCOUNT, CDK_DEFAULT_REGION: 'eu-west-1' };
      const byHand = { ...credentials, CDK_CONTEXT_JSON: '{"stage":"elsewhere"}' };
      const app = await checkout.run('infra/node_modules/.bin/tsx', ['infra/bin/app.ts'], byHand);
      expect(app.output).toContain('stage elsewhere belongs to account 999999999999');
    });

    test('makes a second prod for nobody who did not ask for a new one', async () => {
      const empty = inRegion('ap-south-1');
      for (const [input, ...args] of [['prod\n'], [''], ['', '--yes']] as [string, ...string[]][]) {
        const { status, stdout, output } = await preflight('prod', empty, input, ...args);
        expect(status).toBe(1);
        expect(stdout).toBe('');
        expect(output).toMatch(/there is no stage prod in account \d+, region ap-south-1/i);
      }
      expect((await preflight('prod', empty, 'new prod\n')).status).toBe(0);

      await createStacks('prod', 'ap-south-1');
      expect((await preflight('prod', empty, 'y\n')).output).toContain('not confirmed: expected "prod", found "y"');
      const asked = await preflight('prod', empty, 'prod\n');
      expect(asked.status, asked.output).toBe(0);
      expect(asked.output).toContain('TroelsLLM-prod-Serving');
      expect((await preflight('prod', empty, '', '--yes')).status).toBe(0);

      // What the deployed function has reserved is its own.
      Object.assign(limits, { unreserved: 100, held: 10 });
      expect((await preflight('prod', empty, '', '--yes')).status).toBe(0);
      limits.held = 9;
      expect((await preflight('prod', empty, '', '--yes')).output).toContain('the account can reserve 9 of its 1000');
    });

    test('goes on with what it may not see, or does not need at once, and says so', async () => {
      limits.onDemand = 2;
      const fallback = await preflight('prod', inRegion('ap-south-1'), '', '--yes');
      expect(fallback.status, fallback.output).toBe(0);
      expect(fallback.output).toMatch(/warning: training\.vcpus is 4, .+L-3032A538\) is 2: jobs wait for Spot/);

      limits.denied = true;
      const { status, output } = await preflight('prod', inRegion('ap-south-1'), '', '--yes');
      expect(status, output).toBe(0);
      expect(output).toContain("warning: Lambda's limits could not be checked: AccessDeniedException: not for you");
      expect(output).toContain('warning: the vCPUs to train on could not be checked: AccessDeniedException');
    });

    test('holds a quota against the machine, which is larger than its job where it has several GPUs', async () => {
      Object.assign(limits, { spot: 47, onDemand: 48 });
      const { status, output } = await preflight('gpus', inRegion('eu-west-1'), '', '--yes');
      expect(status).toBe(1);
      expect(output).toMatch(/problem: the smallest of training\.instanceTypes has 48 vCPUs, .+L-3819A6DF\) is 47: no job/);
      limits.spot = 48;
      expect((await preflight('gpus', inRegion('eu-west-1'), '', '--yes')).output).not.toContain('problem:');
    });
  });

  describe('destroy.sh', () => {
    const destroy = (stage: string, environment: Record<string, string>, input = '', ...args: string[]) =>
      checkout.run('scripts/destroy.sh', ['--stage', stage, ...args], environment, input);

    test('deletes the stacks of the stage that is there, and of no other', async () => {
      await createStacks('old', 'sa-east-1');
      await createStacks('old-2', 'sa-east-1');
      const elsewhere = await destroy('old', inRegion('us-east-2'), '', '--yes');
      expect(elsewhere.status).toBe(1);
      const nothing = `there are no stacks of stage old in account ${ACCOUNT}, region us-east-2; nothing was deleted`;
      expect(elsewhere.output).toContain(nothing);

      const refused = await destroy('old', inRegion('sa-east-1'), 'y\n');
      expect(refused.output).toContain('not confirmed: expected "old", found "y"');
      expect(await outputs('old', 'sa-east-1')).toHaveProperty('Url');

      const done = await destroy('old', inRegion('sa-east-1'), 'old\n');
      expect(done.status, done.output).toBe(0);
      const order = ['Site', 'Observability', 'Training', 'Serving', 'Storage'];
      expect(done.stdout.match(/(?<=deleting TroelsLLM-old-)\w+/g)).toEqual(order);
      expect(done.output).toContain(`destroyed: the stacks of stage old in account ${ACCOUNT}, region sa-east-1`);
      expect(await outputs('old', 'sa-east-1')).not.toHaveProperty('Url');
      expect(await outputs('old-2', 'sa-east-1')).toHaveProperty('Url');
    });

    test('tells how to go on with what stays, which a new stage of that name would leave behind', async () => {
      const region = 'ca-central-1';
      await createStacks('gpus', region);
      const { ModelStore = '', CorpusBucket } = await outputs('gpus', region);
      const done = await destroy('gpus', inRegion(region), '', '--yes');
      expect(done.status, done.output).toBe(0);
      const setting =
        `storage: { adopt: { artifacts: '${new URL(ModelStore).hostname}', corpus: '${CorpusBucket}', ` +
        "trainingImages: 'troelsllm-gpus-storage-trainingimages1', functionImages: 'troelsllm-gpus-storage-functionimages1' } }";
      expect(done.output).toContain(`to go on with what stays in a new deployment, set ${setting}`);

      const preflight = (stage: string, where: string) => checkout.program('preflight', ['--stage', stage, '--yes'], inRegion(where));
      const found = await preflight('gpus', region);
      expect(found.status).toBe(1);
      expect(found.output).toContain(`problem: an earlier deployment of stage gpus left buckets or images; expected in`);
      expect(found.output).toContain(setting);
      // Neither elsewhere nor by a stage that has said what it wants.
      expect((await preflight('gpus', 'ca-west-1')).output).not.toContain('an earlier deployment');
      expect((await preflight('again', region)).output).not.toContain('an earlier deployment');
    });

    test('says what failed, and what stays', async () => {
      const member = (fields: Record<string, string>) =>
        `<member>${Object.entries(fields).map(([name, value]) => `<${name}>${value}</${name}>`).join('')}</member>`;
      const stack = (name: string, StackStatus: string) => {
        const CreationTime = '2026-01-01T00:00:00Z';
        return member({ StackName: `TroelsLLM-old-${name}`, StackId: `arn:${name}`, CreationTime, StackStatus });
      };
      const resource = (name: string, ResourceStatus: string, fields = {}) =>
        member({ PhysicalResourceId: `${name}-1`, ResourceType: 'AWS::S3::Bucket', ResourceStatus, ...fields });
      let fails = true;
      let token = '';
      const cloudFormation = await serve(async (request, response) => {
        const sent = new URLSearchParams(await text(request));
        const action = sent.get('Action') ?? '';
        const name = sent.get('StackName')?.replace('arn:', '');
        token = sent.get('ClientRequestToken') ?? token;
        const of = { LogicalResourceId: 'Pages', ResourceStatusReason: 'not empty', ClientRequestToken: token };
        const status = fails && name === 'Site' ? 'DELETE_FAILED' : 'DELETE_COMPLETE';
        const all = stack('Storage', 'CREATE_COMPLETE') + stack('Site', 'CREATE_COMPLETE');
        const resources = resource('Artifacts', 'DELETE_SKIPPED') + resource('Logs', 'DELETE_COMPLETE');
        const answers: Record<string, string> = {
          DescribeStacks: `<Stacks>${name ? stack(name, status) : all}</Stacks>`,
          DescribeStackEvents: `<StackEvents>${resource('Pages', 'DELETE_FAILED', of)}</StackEvents>`,
          ListStackResources: `<StackResourceSummaries>${resources}</StackResourceSummaries>`,
        };
        const result = `<${action}Result>${answers[action] ?? ''}</${action}Result>`;
        response.end(`<${action}Response>${result}</${action}Response>`);
      });
      const environment = { ...inRegion('sa-east-1'), AWS_ENDPOINT_URL_CLOUDFORMATION: cloudFormation };
      const failed = await destroy('old', environment, '', '--yes');
      expect(failed.status).toBe(1);
      expect(failed.output).toContain('TroelsLLM-old-Site was not deleted');
      expect(failed.output).toContain('Pages (AWS::S3::Bucket): not empty');
      expect(failed.output).not.toContain('deleting TroelsLLM-old-Storage');

      fails = false;
      const done = await destroy('old', environment, '', '--yes');
      expect(done.status, done.output).toBe(0);
      expect(done.output).toContain('stays: AWS::S3::Bucket Artifacts-1');
      expect(done.output).not.toContain('Logs');
    });
  });
});
