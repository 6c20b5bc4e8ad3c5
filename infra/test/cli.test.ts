/** Command lines: `cdk synth`, deploy.sh and destroy.sh, without credentials and without an account. */
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { PROJECT_FOLDER } from '../lib/paths.ts';
import { newFolder } from './folders.ts';
import { FUNCTION_ZIP } from './support.ts';

/** Runs with nothing in its environment that could be an account. */
function run(command: string, args: string[]) {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd: PROJECT_FOLDER,
    env: { PATH: process.env.PATH, HOME: newFolder(), AWS_EC2_METADATA_DISABLED: 'true' },
    encoding: 'utf8',
  });
  return { status, output: stdout + stderr };
}

const synth = (...context: string[]) => {
  const folder = newFolder();
  const flags = ['email=none', ...context].flatMap((setting) => ['--context', setting]);
  const result = run('node_modules/.bin/cdk', ['synth', '--quiet', '--output', folder, ...flags]);
  return { ...result, folder };
};

describe.each(['dev', 'prod'])('stage %s', (stage) => {
  const { status, output, folder } = synth(`stage=${stage}`, `zip=${FUNCTION_ZIP}`);
  const templates = readdirSync(folder).filter((file) => file.endsWith('.template.json'));

  test('is made without credentials', () => {
    expect(status, output).toBe(0);
    for (const stack of ['Storage', 'Serving', 'Training', 'Observability']) {
      expect(templates).toContain(`TroelsLLM-${stage}-${stack}.template.json`);
    }
  });

  // scripts/test_infra.sh installs it; its rules are those of CloudFormation's own schemas.
  const hasCfnLint = spawnSync('cfn-lint', ['--version']).status === 0;
  test.runIf(hasCfnLint)('has templates that cfn-lint finds nothing in', () => {
    // W3005: the CDK says an order of creation twice.
    const args = ['--ignore-checks', 'W3005', '--', ...templates.map((file) => join(folder, file))];
    const lint = run('cfn-lint', args);
    expect(lint.output).toBe('');
    expect(lint.status).toBe(0);
  });
});

test('without a zip nothing is deployed, and the remedy is named', () => {
  const { status, output } = synth('stage=dev', 'zip=no/such.zip');
  expect(status).not.toBe(0);
  expect(output).toContain('scripts/build-function.sh builds it');
});

test('a canary can be left out of one deployment, as where the remedy for an alarm is deployed', () => {
  const { status, output, folder } = synth('stage=prod', `zip=${FUNCTION_ZIP}`, 'canary=off');
  expect(status, output).toBe(0);
  const template = readFileSync(join(folder, 'TroelsLLM-prod-Serving.template.json'), 'utf8');
  expect(template).not.toContain('AWS::CodeDeploy');
  expect(synth('stage=prod', `zip=${FUNCTION_ZIP}`, 'canary=maybe').output).toContain('-c canary=maybe: expected off');
});

test('who gets the alarms is said, in settings or by the deployment', () => {
  const nobody = run('node_modules/.bin/cdk', ['synth', '--quiet', '--context', `zip=${FUNCTION_ZIP}`]);
  expect(nobody.status).not.toBe(0);
  expect(nobody.output).toContain('alarms.email: nobody is told of alarms');
  expect(synth(`zip=${FUNCTION_ZIP}`, 'email=me').output).toContain('-c email=me: expected an e-mail address, or none');
});

test('an image is taken by its digest, which its models record', () => {
  const digest = `sha256:${'0123456789abcdef'.repeat(4)}`;
  const { folder, output } = synth(`zip=${FUNCTION_ZIP}`, `trainingImage=${digest}`);
  expect(output).toContain('stage dev costs at most');
  const template = JSON.parse(readFileSync(join(folder, 'TroelsLLM-dev-Training.template.json'), 'utf8'));
  const definitions = Object.values(template.Resources).filter((resource: any) => resource.Type === 'AWS::Batch::JobDefinition');
  const [{ Properties }] = definitions as [any];
  expect(JSON.stringify(Properties.ContainerProperties.Image)).toContain(`@${digest}`);
  expect(Properties.ContainerProperties.Environment).toContainEqual({ Name: 'IMAGE_DIGEST', Value: digest });
  const wrong = synth(`zip=${FUNCTION_ZIP}`, 'functionImage=latest');
  expect(wrong.output).toContain('-c functionImage=latest: expected the digest of an image');
});

test('a stage that does not exist is named', () => {
  const { status, output } = synth('stage=staging');
  expect(status).not.toBe(0);
  expect(output).toContain('there is no stage staging in infra/settings.ts');
});

test.each([
  ['deploy.sh', ['--stage', 'prod', '--email', 'none', '--dry-run'], /deploy: stage prod costs at most [\d.]+ USD a day[\s\S]+build-site\.sh[\s\S]+cdk -- bootstrap [\s\S]+docker build [\s\S]+cdk -- deploy .*stage=prod.* --all[\s\S]+deployed: <Url>\nthe page: <SiteUrl>/],
  ['destroy.sh', ['--stage', 'prod', '--dry-run'], /delete TroelsLLM-prod-Serving[\s\S]+buckets .+ stay/],
])('%s says what it would do', (script, args, expected) => {
  const { status, output } = run(join(PROJECT_FOLDER, '../scripts', script), args);
  expect(status, output).toBe(0);
  expect(output).toMatch(expected);
});

test('destroy.sh does nothing without a stage', () => {
  const { status, output } = run(join(PROJECT_FOLDER, '../scripts/destroy.sh'), ['--dry-run']);
  expect(status).toBe(2);
  expect(output).toContain('--stage is missing');
});
