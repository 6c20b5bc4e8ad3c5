/** Limits of services: templates of the stages, and of settings at their extremes, keep to them. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Template } from 'aws-cdk-lib/assertions';
import { describe, expect, test } from 'vitest';
import { STACKS, stackName } from '../lib/names.ts';
import { PROJECT_FOLDER } from '../lib/paths.ts';
import { FARGATE_VCPUS } from '../settings/fargate.ts';
import { parseSettings, type SettingsInput, stages } from '../settings.ts';
import { newFolder } from './folders.ts';
import {
  ALARM_NAME,
  BUCKET_NAME,
  FARGATE_SIZES,
  FUNCTION_UNZIPPED_MB,
  limit,
  LIMITS,
  REQUEST_BYTES,
  TEMPLATE,
} from './limits.ts';
import { synthesize } from './support.ts';

const when = { cron: '0 3 ? * SUN *', timeZone: 'Europe/Copenhagen' };
const key = 'a'.repeat(64);
const name = (length: number) => 'n'.repeat(length);
/** As many as fill what the environment has for lists. */
const keys = (count: number) => Array<string>(count).fill(key);
const ecs: SettingsInput['serving'] = { compute: 'ecs', package: 'image', apiKeySha256: [key] };

const EXTREMES: Record<string, SettingsInput> = {
  ...stages,
  'a small function': {
    serving: { memoryMb: 512, temporaryStorageMb: 512, timeLimitSeconds: 1, canary: { percent: 1, minutes: 5 } },
  },
  'a large function': {
    serving: {
      ...{ memoryMb: 10_240, temporaryStorageMb: 10_240, timeLimitSeconds: 890, modelCheckSeconds: 3600 },
      ...{ channel: name(128), challenger: { channel: name(127) }, precision: 'float32', apiKeySha256: keys(46) },
      ...{ canary: { percent: 99, minutes: 1440 }, apiKey: {}, waf: {}, throttle: { rate: 10_000, burst: 5000 } },
    },
    alarms: { modelAgeDays: 365, p99Seconds: 890, email: 'ops@example.org' },
  },
  'an API that does not stream': { serving: { streaming: false, timeLimitSeconds: 28 } },
  'a function URL': { serving: { endpoint: 'function-url', apiKey: null, streaming: false, timeLimitSeconds: 890 } },
  'an image': { serving: { package: 'image', timeLimitSeconds: 890 } },
  'a small service': { serving: { ...ecs, timeLimitSeconds: 1, service: { vcpus: 1 } } },
  'a large service': { serving: { ...ecs, timeLimitSeconds: 890, service: { vcpus: 16, maxTasks: 100 } } },
  'a small job': {
    training: {
      ...{ vcpus: 1, memoryGb: 2, attempts: 1, maxHours: 1, storageGb: 21 },
      ...{ schedule: { ...when, flexibleMinutes: 1 } },
    },
  },
  'a large job': {
    storage: { prune: { ...when, keep: 1000 } },
    training: {
      ...{ vcpus: 16, memoryGb: 120, attempts: 10, maxHours: 336, storageGb: 200 },
      ...{ signingKey: 'create', start: 'current', schedule: { ...when, flexibleMinutes: 1440 }, preset: name(128), corpusPrefix: `${name(511)}/` },
    },
  },
  'jobs on instances': {
    training: { compute: 'ec2', gpus: 8, vcpus: 192, memoryGb: 512, maxVcpus: 192, storageGb: 16_384, attempts: 10 },
  },
};

interface Found {
  readonly where: string;
  readonly value: number;
}
const found = new Map<string, Found[]>();
const templates: [where: string, template: Template][] = Object.entries(EXTREMES).flatMap(([what, input]) =>
  Object.entries(synthesize(input)).map(([stack, template]): [string, Template] => [`${what}, ${stack}`, template]),
);
for (const [where, template] of templates) {
  for (const { what, type, of } of LIMITS) {
    for (const [id, { Properties }] of Object.entries(template.findResources(type))) {
      const values = of(Properties ?? {}).filter((value) => value !== undefined);
      found.set(what, [...(found.get(what) ?? []), ...values.map((value) => ({ where: `${where}: ${id}`, value }))]);
    }
  }
}

test.each(LIMITS)('$what', ({ what, min = 0, max = Infinity }) => {
  const values = found.get(what) ?? [];
  // A limit that nothing is held against says nothing.
  expect(values).not.toEqual([]);
  expect(values.filter(({ value }) => !(value >= min && value <= max))).toEqual([]);
});

// scripts/test_infra.sh installs it.
const hasCfnLint = spawnSync('cfn-lint', ['--version']).status === 0;
test.runIf(hasCfnLint)("CloudFormation's own schemas, by cfn-lint", { timeout: 300_000 }, () => {
  const folder = newFolder();
  // Most stacks are the same in several of them.
  const texts = new Set(templates.map(([, template]) => JSON.stringify(template.toJSON())));
  const files = [...texts].map((text, index) => {
    const file = join(folder, `${index}.json`);
    writeFileSync(file, text);
    return file;
  });
  // W3005: the CDK says an order of creation twice.
  const lint = spawnSync('cfn-lint', ['--ignore-checks', 'W3005', '--', ...files], { encoding: 'utf8' });
  expect(lint.stdout + lint.stderr).toBe('');
  expect(lint.status).toBe(0);
});

test('sizes of tasks on Fargate', () => {
  const sizes = templates.flatMap(([where, template]) => [
    ...Object.values(template.findResources('AWS::ECS::TaskDefinition')).map(({ Properties }) => ({
      where,
      cpu: Number(Properties.Cpu),
      memory: Number(Properties.Memory),
    })),
    ...Object.values(template.findResources('AWS::Batch::JobDefinition'))
      .filter(({ Properties }) => Properties.PlatformCapabilities.includes('FARGATE'))
      .map(({ Properties }) => {
        const needs: { Type: string; Value: string }[] = Properties.ContainerProperties.ResourceRequirements;
        const of = (type: string) => Number(needs.find(({ Type }) => Type === type)?.Value);
        return { where, cpu: 1024 * of('VCPU'), memory: of('MEMORY') };
      }),
  ]);
  expect(new Set(sizes.map(({ cpu }) => cpu))).toEqual(new Set([256, 1024, 4096, 16_384]));
  expect(sizes.filter(({ cpu, memory }) => !FARGATE_SIZES[cpu]?.includes(memory))).toEqual([]);
});

test('names, and what a template may hold', () => {
  for (const [where, template] of templates) {
    const { Resources, Outputs = {} } = template.toJSON();
    expect(Object.keys(Resources).length, where).toBeLessThanOrEqual(TEMPLATE.resources);
    expect(Object.keys(Outputs).length, where).toBeLessThanOrEqual(TEMPLATE.outputs);
    expect(Buffer.byteLength(JSON.stringify(template.toJSON())), where).toBeLessThanOrEqual(TEMPLATE.bytes);
    // CloudFormation makes them, and keeps to what S3 allows.
    for (const { Properties } of Object.values(template.findResources('AWS::S3::Bucket'))) {
      expect((Properties.BucketName ?? '').length, where).toBeLessThanOrEqual(BUCKET_NAME.max);
    }
  }
});

test('the longest stage whose stacks have names has alarms with names too', () => {
  const longest = TEMPLATE.stackName - Math.max(...STACKS.map((stack) => stackName('', stack).length));
  const stage = name(longest);
  const alarms = templates.flatMap(([, template]) => Object.keys(template.findResources('AWS::CloudWatch::Alarm')));
  expect(alarms.length).toBeGreaterThan(0);
  for (const id of alarms) {
    const generated = [stackName(stage, 'Observability'), id, 'x'.repeat(12)].join('-');
    expect(generated.length).toBeLessThanOrEqual(ALARM_NAME.max);
  }
});

test('the build of the function refuses more than Lambda takes', () => {
  const script = readFileSync(join(PROJECT_FOLDER, '../scripts/build-function.sh'), 'utf8');
  expect(Number(/^limit_mb=(\d+)$/m.exec(script)?.[1])).toBeLessThanOrEqual(FUNCTION_UNZIPPED_MB.max);
});

test('requests that the function takes reach it', () => {
  const source = readFileSync(join(PROJECT_FOLDER, '../functions/generate/src/http/limits.rs'), 'utf8');
  const shift = Number(/^pub const MAX_BODY_BYTES: usize = 1 << (\d+);$/m.exec(source)?.[1]);
  expect(2 ** shift).toBeLessThanOrEqual(REQUEST_BYTES.restApi);
  expect((2 ** shift * 4) / 3).toBeLessThanOrEqual(REQUEST_BYTES.lambda);
});

const scheduled = (flexibleMinutes: number): SettingsInput => ({ training: { schedule: { ...when, flexibleMinutes } } });
const accepts = (input: SettingsInput) => {
  try {
    parseSettings('test', input);
    return true;
  } catch {
    return false;
  }
};

describe('a setting ends where the service does:', () => {
  test.each<[what: string, input: (value: number) => SettingsInput]>([
    ['/tmp of a function, MB', (temporaryStorageMb) => ({ serving: { temporaryStorageMb } })],
    ['storage of a job on Fargate, GiB', (storageGb) => ({ training: { storageGb } })],
    ['attempts of a job', (attempts) => ({ training: { attempts } })],
    ['flexible time window of a schedule, minutes', scheduled],
    ['share of a canary, percent', (percent) => ({ serving: { canary: { percent } } })],
  ])('%s', (what, input) => {
    const { min = NaN, max = NaN } = limit(what);
    expect([min - 1, min, max, max + 1].map((value) => accepts(input(value)))).toEqual([false, true, true, false]);
  });

  test('memory of a function, of which less than 512 MB are too little for a model', () => {
    const { max = NaN } = limit('memory of a function, MB');
    const accepted = [511, 512, max, max + 1].map((memoryMb) => accepts({ serving: { memoryMb } }));
    expect(accepted).toEqual([false, true, true, false]);
  });

  test('names in the store', () => {
    const source = readFileSync(join(PROJECT_FOLDER, '../training/artifact/src/manifest/name.rs'), 'utf8');
    const longest = Number(/\(1\.\.=(\d+)\)\.contains\(&name\.len\(\)\)/.exec(source)?.[1]);
    const accepted = [longest, longest + 1].map((length) => accepts({ serving: { channel: name(length) } }));
    expect(accepted).toEqual([true, false]);
    expect(accepts({ serving: { channel: '.live' } })).toBe(false);
  });

  test('time of a request, of which some is kept for the answer', () => {
    const serving = (timeLimitSeconds: number, streaming: boolean) => ({ serving: { timeLimitSeconds, streaming } });
    const whole = (what: string) => limit(what).max! / 1000;
    expect(whole('timeout of an integration, ms')).toBe(29);
    expect([accepts(serving(28, false)), accepts(serving(29, false))]).toEqual([true, false]);
    expect(limit('timeout of a function, s').max).toBe(900);
    expect([accepts(serving(890, true)), accepts(serving(891, true))]).toEqual([true, false]);
  });

  test('sizes of jobs and of tasks on Fargate', () => {
    const jobs: [number, number][] = [];
    for (let vcpus = 1; vcpus <= 32; vcpus += 1) {
      for (let memoryGb = 1; memoryGb <= 256; memoryGb += 1) {
        if (accepts({ training: { vcpus, memoryGb, maxVcpus: 32 } })) jobs.push([vcpus * 1024, memoryGb * 1024]);
      }
    }
    const sizes = Object.entries(FARGATE_SIZES);
    const offered = sizes.flatMap(([cpu, memories]) => memories.map((memory) => [Number(cpu), memory]));
    expect(jobs).toEqual(offered.filter(([cpu]) => cpu! >= 1024));
    expect(FARGATE_VCPUS.map((vcpus) => vcpus * 1024)).toEqual(Object.keys(FARGATE_SIZES).map(Number).slice(2));
  });

  test('what the environment of a function has for lists', () => {
    const origins = ['https://example.org'];
    // 64 digits and a comma each, 3,000 bytes together.
    expect(accepts({ serving: { apiKeySha256: keys(46) } })).toBe(true);
    expect(accepts({ serving: { apiKeySha256: keys(47) } })).toBe(false);
    expect(accepts({ serving: { apiKeySha256: keys(46), corsOrigins: origins } })).toBe(false);
    expect(accepts({ serving: { ...ecs, apiKeySha256: keys(100) } })).toBe(true);
  });
});
