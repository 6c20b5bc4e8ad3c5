/** Settings of serving: the function or the service, the model that it serves, and who may call it. */
import { z } from 'zod';
import { canary } from './canary.ts';
import { tooLong } from './environment.ts';
import { name } from './name.ts';
import { service } from './service.ts';

/** CORS origin: `*`, or scheme and host without a path. */
const origin = z.union(
  [z.literal('*'), z.string().regex(/^https?:\/\/[^/]+$/)],
  'expected `*`, or https:// or http:// and a host, without a path',
);

const apiKey = z.strictObject({
  /** Names of the keys, which API Gateway generates. To rotate one, add another, and later remove the first. */
  names: z.array(name).min(1).default(['first']),
  /** Quota of each key: with the time that a request may take, the cap on what callers cost in a day. */
  requestsPerDay: z.int().min(1).default(1000),
});

const fields = z.strictObject({
  /**
   * `lambda`: a function, which scales to zero and takes a request at a time. `ecs`: a service that always runs on
   * Fargate and generates several texts side by side, for steady traffic; CloudFront is the only way to it.
   */
  compute: z.enum(['lambda', 'ecs']).default('lambda'),
  /** That service. */
  service: service.prefault({}),
  /** A zip of `bootstrap` and ONNX Runtime, relative to this folder; `scripts/build-function.sh` builds it. */
  zip: z.string().min(1).default('../target/lambda/function.zip'),
  /**
   * `zip`, or `image`: the container image in the storage stack's repository, with SnapStart. A cold start then
   * restores a process that has loaded its model.
   */
  package: z.enum(['zip', 'image']).default('zip'),
  /** Tag of that image. */
  imageTag: name.default('latest'),
  /** Architecture that the zip or the image was built for. Arm has no kernels of our own, so generation is slower. */
  architecture: z.enum(['x86_64', 'arm64']).default('x86_64'),
  /** Memory in MB. CPU is in proportion to it: 1,769 MB are one vCPU. */
  memoryMb: z.int().min(512).max(10_240).default(1769),
  /** Size of /tmp in MB, which holds two models while one is replaced; 512 MB are free. */
  temporaryStorageMb: z.int().min(512).max(10_240).default(512),
  /** Precision of the weights: `w4` (int4), `w8` (int8), `float32`, or `auto` for the smallest that the version has. */
  precision: z.enum(['auto', 'w4', 'w8', 'float32']).default('auto'),
  /** Channel (alias of a version in the model store) to serve. Training promotes new versions to it. */
  channel: name.default('live'),
  /**
   * Challenger: another channel, whose version answers a share of the requests that name no model, from 0 to 1. The
   * dashboard has both side by side; `gpt promote` ends the comparison.
   */
  challenger: z
    .strictObject({ channel: name.default('challenger'), share: z.number().gt(0).max(1).default(0.1) })
    .nullable()
    .default(null),
  /** Version to serve whatever channels name, as `NAME/VERSION`; `null`: the one that the channel names. */
  pinnedVersion: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*\/[A-Za-z0-9][A-Za-z0-9._-]*$/, 'expected NAME/VERSION')
    .nullable()
    .default(null),
  /**
   * Public keys, as the command of the output `ShowPublicKey` prints them: only versions that one of them has signed are
   * served. Empty: all are.
   */
  trustedKeys: z
    .array(z.string().regex(/^[A-Za-z0-9+/]{100,200}={0,2}$/, 'expected the base64 of a public key in DER'))
    .default([]),
  /** Log the prompts of requests. They are those of persons: README.md, *Privacy*. */
  logPrompts: z.boolean().default(false),
  /** Level of the log as `RUST_LOG` has it, such as `debug` or `info,generate=debug`; `null`: info. */
  logLevel: z.string().regex(/^[a-z0-9_:=,-]+$/, 'expected a level such as debug').nullable().default(null),
  /** Traces for a collector of OpenTelemetry: its address, and, for a zip, a layer that runs one in the function. */
  openTelemetry: z
    .strictObject({
      endpoint: z.string().regex(/^https?:\/\/[^\s/]+/, 'expected an address such as http://127.0.0.1:4318'),
      layerArn: z
        .string()
        .regex(/^arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:layer:[A-Za-z0-9_-]+:\d+$/, 'expected the ARN of a version of a layer')
        .nullable()
        .default(null),
    })
    .nullable()
    .default(null),
  /**
   * Provisioned concurrency: instances that are always there, with a model; they cost as long as they are set.
   * `null`: none, and a first request waits for a cold start.
   */
  provisionedConcurrency: z.int().min(1).nullable().default(null),
  /** Interval in seconds at which running functions check whether the channel names another version. */
  modelCheckSeconds: z.number().min(1).max(3600).default(30),
  /** Time limit of a request in seconds; generation then ends with the text so far. */
  timeLimitSeconds: z.int().min(1).max(890).default(60),
  /**
   * Maximum number of concurrent instances: a cap on cost. `null` leaves it to the account's limit, which is 10 for
   * a new account, and of these none can be reserved.
   */
  reservedConcurrency: z.int().min(1).nullable().default(null),
  /**
   * Lambda Managed Instances: the function runs on EC2 instances that Lambda manages, takes several requests at once
   * in an environment, and is never frozen. They cost as long as they run, and do not scale to zero.
   */
  managedInstances: z
    .strictObject({
      /** Requests at once in an environment: they generate side by side, and share its processors and memory. */
      requestsAtOnce: z.int().min(1).max(64).default(8),
      /** Memory in GB for each vCPU; with `memoryMb` this gives the vCPUs of an environment. */
      gbPerVcpu: z.literal([2, 4, 8]).default(2),
      /** Environments that always run, and the most of them: a cap on cost. */
      minEnvironments: z.int().min(1).max(100).default(1),
      maxEnvironments: z.int().min(1).max(100).default(3),
      /** vCPUs of all instances together: another cap on cost. */
      maxVcpus: z.int().min(2).max(15_000).default(16),
    })
    .nullable()
    .default(null),
  /**
   * Canary deployment: a new version of the function gets some of the requests for some minutes, and then all. First
   * a smoke test asks it for a text, so the channel has to name a model by then. If that fails, or an alarm about the
   * function is on, the version before gets all requests again and the deployment fails. That holds also for an alarm
   * from before: `cdk deploy -c canary=off` deploys the remedy at once. `null`: every deployment is at once. The
   * instances of `managedInstances`, or of provisioned concurrency, run for both versions meanwhile.
   */
  canary: canary.nullable().default(null),
  /**
   * Role with which API Gateway writes logs, one for all APIs of an account: `create`, or `existing` if there is one.
   * scripts/deploy.sh looks. REST API only.
   */
  apiGatewayLogRole: z.enum(['create', 'existing']).default('create'),
  /** `rest-api`: API Gateway, with throttling, keys, WAF. `function-url`: the function itself. */
  endpoint: z.enum(['rest-api', 'function-url']).default('rest-api'),
  /** Stream tokens as they are generated; otherwise a response is sent when it is complete. */
  streaming: z.boolean().default(true),
  /** Rate limit in requests per second, and burst, of all callers together. REST API only. */
  throttle: z
    .strictObject({ rate: z.number().positive().default(1), burst: z.int().min(1).default(20) })
    .prefault({}),
  /**
   * API keys: API Gateway requires one as `x-api-key`. REST API only, and its default, unless `apiKeySha256` has keys.
   * `null`: whoever knows the address may call it.
   */
  apiKey: apiKey.nullable().optional(),
  /** SHA-256 of keys of which the function itself requires one, on either endpoint; no key is required if empty. */
  apiKeySha256: z
    .array(z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 digits of 0-9 a-f, as `printf %s KEY | sha256sum` prints'))
    .default([]),
  /**
   * A web application firewall: 8 USD a month. REST API only. It counts requests per IP address, and users of the
   * site share CloudFront's addresses: allow more with a site.
   */
  waf: z
    .strictObject({ requestsPer5Minutes: z.int().min(10).max(2_000_000_000).default(300) })
    .nullable()
    .default(null),
  /** CORS: origins of pages that may call the API. This app's site needs none, as it has the API's domain. */
  corsOrigins: z.array(origin).default([]),
  /** Retention of logs, in days. */
  logDays: z.literal([1, 3, 5, 7, 14, 30, 60, 90, 180, 365]).default(30),
});

export const serving = fields
  .superRefine((serving, context) => {
    const refuse = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    if (serving.endpoint === 'rest-api' && !serving.streaming && serving.timeLimitSeconds > 28) {
      refuse('timeLimitSeconds', 'API Gateway waits 29 s for a response that is not streamed; expected at most 28');
    }
    if (serving.endpoint === 'function-url' && (serving.apiKey || serving.waf)) {
      refuse('endpoint', 'a function URL has neither `apiKey` nor `waf`; use apiKeySha256, or endpoint rest-api');
    }
    if (serving.endpoint === 'function-url' && serving.apiKey === undefined && serving.apiKeySha256.length === 0) {
      refuse('apiKeySha256', 'nothing else protects a function URL: expected the digest of a key, or apiKey null for none');
    }
    if (serving.precision === 'float32' && serving.temporaryStorageMb < 2048) {
      refuse('temporaryStorageMb', 'two float32 models take 1300 MB; expected at least 2048');
    }
    if (serving.pinnedVersion !== null && serving.challenger) {
      refuse('pinnedVersion', 'it is served regardless of channels; set challenger to null');
    }
    if (serving.openTelemetry?.layerArn && (serving.package === 'image' || serving.compute === 'ecs')) {
      refuse('openTelemetry', 'an image takes no layers; put the collector into it, or set layerArn to null');
    }
    if (serving.provisionedConcurrency !== null) {
      const { package: kind, managedInstances, reservedConcurrency, provisionedConcurrency } = serving;
      if (kind === 'image') refuse('provisionedConcurrency', 'SnapStart takes none; set package to zip');
      if (managedInstances) refuse('provisionedConcurrency', 'managedInstances have minEnvironments instead');
      if (reservedConcurrency !== null && reservedConcurrency < provisionedConcurrency) {
        refuse('reservedConcurrency', `expected at least provisionedConcurrency, ${provisionedConcurrency}`);
      }
    }
    if (serving.challenger?.channel === serving.channel) {
      refuse('challenger', `expected another channel than ${serving.channel}, which it is compared with`);
    }
    if (serving.challenger && serving.precision === 'w8' && serving.temporaryStorageMb < 1024) {
      refuse('temporaryStorageMb', 'three w8 models, one of them a replacement, take 540 MB; expected at least 1024');
    }
    if (serving.package === 'image' && serving.temporaryStorageMb > 512) {
      refuse('temporaryStorageMb', 'SnapStart allows 512 MB');
    }
    if (serving.compute === 'ecs') refuseForService(serving, refuse);
    else {
      const { apiKeySha256, trustedKeys, corsOrigins } = serving;
      const problem = tooLong({ apiKeySha256, trustedKeys, corsOrigins });
      if (problem) refuse('apiKeySha256', problem);
    }
    const managed = serving.managedInstances;
    if (!managed) return;
    if (serving.package === 'image') {
      refuse('managedInstances', 'they take no image with SnapStart; set package to zip');
    }
    if (serving.reservedConcurrency !== null) {
      refuse('reservedConcurrency', 'managedInstances have maxEnvironments instead; set it to null');
    }
    if (serving.memoryMb < 1024 * managed.gbPerVcpu) {
      refuse('memoryMb', `a vCPU of managedInstances has ${managed.gbPerVcpu} GB; expected at least ${1024 * managed.gbPerVcpu}`);
    }
    if (managed.maxEnvironments < managed.minEnvironments) {
      refuse('managedInstances', `expected maxEnvironments of at least minEnvironments, ${managed.minEnvironments}`);
    }
    const vcpus = (managed.minEnvironments * serving.memoryMb) / 1024 / managed.gbPerVcpu;
    if (serving.canary && 2 * vcpus > managed.maxVcpus) {
      refuse('canary', `two versions of managedInstances take ${2 * vcpus} vCPUs; expected at least as many maxVcpus`);
    }
  })
  .transform((serving) => ({ ...serving, apiKey: serving.apiKey === undefined ? usualKey(serving) : serving.apiKey }));

/** Of what is not said: a REST API requires a key, unless the function does. */
function usualKey({ compute, endpoint, apiKeySha256 }: z.infer<typeof fields>): z.infer<typeof apiKey> | null {
  return compute === 'lambda' && endpoint === 'rest-api' && apiKeySha256.length === 0 ? apiKey.parse({}) : null;
}

/** What is of a function alone. */
const OF_FUNCTIONS = [
  ...(['memoryMb', 'temporaryStorageMb', 'reservedConcurrency', 'managedInstances', 'canary'] as const),
  'provisionedConcurrency' as const,
  ...(['endpoint', 'apiGatewayLogRole', 'streaming', 'throttle', 'apiKey', 'waf'] as const),
] as const;

/** Refuses settings that have no effect on a service. */
function refuseForService(settings: z.infer<typeof fields>, refuse: (path: string, message: string) => void): void {
  for (const key of OF_FUNCTIONS) {
    const unset = fields.shape[key].parse(undefined);
    if (JSON.stringify(settings[key] ?? null) !== JSON.stringify(unset ?? null)) {
      refuse(key, `compute is ecs, which does not take it; expected ${JSON.stringify(unset ?? null)}`);
    }
  }
  if (settings.package === 'zip') refuse('package', 'compute is ecs, which runs the image; set it to image');
  if (settings.apiKeySha256.length === 0) {
    refuse('apiKeySha256', 'compute is ecs, which nothing else protects; expected the digest of a key');
  }
}
