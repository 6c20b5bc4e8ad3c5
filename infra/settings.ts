/**
 * What can be set about a deployment, and what each stage sets.
 *
 * Everything has a default with which an idle deployment costs nothing but the bytes that it stores.
 * `cdk deploy -c stage=NAME` deploys a stage; a mistake in it ends the synthesis with a message that
 * names the setting.
 */
import { z } from 'zod';

/** A name that fits in a channel, a preset or a tag. */
const name = z.string().regex(/^[A-Za-z0-9._-]+$/, 'expected the characters a-z A-Z 0-9 . _ -');

/** Who may call a browser's fetch on the API: `*`, or scheme and host without a path. */
const origin = z.union(
  [z.literal('*'), z.string().regex(/^https?:\/\/[^/]+$/)],
  'expected `*`, or https:// or http:// and a host, without a path',
);

/** An API as a page calls it. Its host goes into a header, in which nothing else may get. */
const apiAddress = z
  .string()
  .regex(/^https:\/\/[a-z0-9.-]+(:\d+)?(\/[A-Za-z0-9._~-]+)*\/?$/, 'expected https:// and a host, and a path if the API has one');

/** Memory that Fargate has for each number of vCPUs, in GB: smallest, largest, step. */
const FARGATE_MEMORY_GB: Record<number, [number, number, number]> = {
  1: [2, 8, 1],
  2: [4, 16, 1],
  4: [8, 30, 1],
  8: [16, 60, 4],
  16: [32, 120, 8],
};

const storage = z.strictObject({
  /** How long a replaced or deleted object can still be had back. */
  oldVersionsDays: z.int().min(1).max(3650).default(30),
  /** How long a checkpoint lies in the store: longer than a training run takes, retries included. */
  checkpointDays: z.int().min(1).max(365).default(7),
  /** How long access logs of buckets are kept. */
  accessLogDays: z.int().min(1).max(3650).default(90),
});

const serving = z
  .strictObject({
    /** A zip of `bootstrap` and ONNX Runtime, relative to this folder; `scripts/build-function.sh` builds it. */
    zip: z.string().min(1).default('../target/lambda/function.zip'),
    /**
     * `zip`, or `image`: the container image in the repository that the storage stack makes, with
     * SnapStart. A cold start then restores a process that has loaded its model.
     */
    package: z.enum(['zip', 'image']).default('zip'),
    /** Tag of that image. */
    imageTag: name.default('latest'),
    /** What the zip or the image was built for. On Arm our own kernels are missing: tokens come more slowly. */
    architecture: z.enum(['x86_64', 'arm64']).default('x86_64'),
    /** Memory in MB; the processor comes with it: 1,769 MB are one vCPU. */
    memoryMb: z.int().min(512).max(10_240).default(1769),
    /** Size of /tmp, where models are kept; 512 MB cost nothing. While one is replaced there are two. */
    temporaryStorageMb: z.int().min(512).max(10_240).default(512),
    /** Precision of the weights; `auto` takes the smallest that the version has. */
    precision: z.enum(['auto', 'w4', 'w8', 'float32']).default('auto'),
    /** Channel that names the version to serve. Training promotes to it. */
    channel: name.default('live'),
    /** How often, at most, running functions look whether the channel names another version. */
    modelCheckSeconds: z.number().min(1).max(3600).default(30),
    /** How long a request may take; a text then ends with what there is. */
    timeLimitSeconds: z.int().min(1).max(890).default(60),
    /**
     * At most so many instances at the same time: a cap on cost. `null` leaves it to the account's limit,
     * which is 10 for a new account, of which nothing can be reserved.
     */
    reservedConcurrency: z.int().min(1).nullable().default(null),
    /** `rest-api`: API Gateway, with throttling, keys, WAF. `function-url`: the function itself. */
    endpoint: z.enum(['rest-api', 'function-url']).default('rest-api'),
    /** Send tokens as they are generated; otherwise a response is sent when it is complete. */
    streaming: z.boolean().default(true),
    /** Requests a second, over time and at once, of all callers together. REST API only. */
    throttle: z
      .strictObject({ rate: z.number().positive().default(10), burst: z.int().min(1).default(20) })
      .prefault({}),
    /** Keys of which API Gateway asks for one as `x-api-key`, with a quota for each. REST API only. */
    apiKey: z
      .strictObject({
        /** Names; API Gateway makes the keys. To rotate one, add another, and later remove the first. */
        names: z.array(name).min(1).default(['first']),
        requestsPerDay: z.int().min(1).default(10_000),
      })
      .nullable()
      .default(null),
    /** SHA-256 of keys that the function itself asks for, whatever the endpoint; none are asked for if empty. */
    apiKeySha256: z
      .array(z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 digits of 0-9 a-f, as `printf %s KEY | sha256sum` prints'))
      .default([]),
    /**
     * A web application firewall: 8 USD a month. REST API only. It counts by address, and readers of the site come
     * from addresses of CloudFront that they share: with a site, allow more.
     */
    waf: z
      .strictObject({ requestsPer5Minutes: z.int().min(10).max(2_000_000_000).default(300) })
      .nullable()
      .default(null),
    /** Origins of pages that may call the API. The site of this app needs none: it has the API's domain. */
    corsOrigins: z.array(origin).default([]),
    /** How long logs are kept. */
    logDays: z.literal([1, 3, 5, 7, 14, 30, 60, 90, 180, 365]).default(30),
  })
  .superRefine((serving, context) => {
    const refuse = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    if (serving.endpoint === 'rest-api' && !serving.streaming && serving.timeLimitSeconds > 28) {
      refuse('timeLimitSeconds', 'API Gateway waits 29 s for a response that is not streamed; expected at most 28');
    }
    if (serving.endpoint === 'function-url' && (serving.apiKey || serving.waf)) {
      refuse('endpoint', 'a function URL has neither `apiKey` nor `waf`; use apiKeySha256, or endpoint rest-api');
    }
    if (serving.precision === 'float32' && serving.temporaryStorageMb < 2048) {
      refuse('temporaryStorageMb', 'two float32 models take 1300 MB; expected at least 2048');
    }
    if (serving.package === 'image' && serving.temporaryStorageMb > 512) {
      refuse('temporaryStorageMb', 'SnapStart allows 512 MB');
    }
  });

const training = z
  .strictObject({
    /** Preset of `gpt train`: a model and how to train it. */
    preset: name.default('the-verdict'),
    /** Folder of the corpus bucket with the texts; empty for the whole bucket. */
    corpusPrefix: z.string().regex(/^([A-Za-z0-9._-]+\/)*$/, 'expected nothing, or names that end with /').default(''),
    /** Start from random weights, or from the model that the channel names. */
    start: z.enum(['scratch', 'current']).default('scratch'),
    /** By how much a new model may predict worse than the one being served, in nats per token. */
    margin: z.number().min(0).max(10).default(0.05),
    /** A checkpoint goes to the store every so many steps: what a vanished machine costs at most. */
    checkpointEverySteps: z.int().min(1).default(50),
    /** `fargate`: no machine of yours. `ec2`: instances of `instanceTypes`, for more speed or a GPU. */
    compute: z.enum(['fargate', 'ec2']).default('fargate'),
    /** Use spare capacity, at about a third of the price. A run that loses its machine goes on elsewhere. */
    spot: z.boolean().default(true),
    /** Processors of a job. */
    vcpus: z.int().min(1).max(192).default(4),
    /** Memory of a job in GB. */
    memoryGb: z.int().min(1).max(1024).default(8),
    /** GPUs of a job; `ec2` only. The image must be built with CUDA=1. */
    gpus: z.int().min(0).max(8).default(0),
    /** Types of instances that a job fits on, with some memory to spare; `ec2` only. */
    instanceTypes: z
      .array(z.string().regex(/^[a-z0-9-]+\.[a-z0-9-]+$/, 'expected an instance type such as m7i.xlarge'))
      .min(1)
      .default(['m7i.xlarge', 'm6i.xlarge', 'r7i.xlarge']),
    /** Processors of all jobs at the same time: a cap on cost. */
    maxVcpus: z.int().min(1).default(16),
    /** How often a run that lost its machine goes on. */
    attempts: z.int().min(1).max(10).default(5),
    /** After so many hours an attempt is ended. */
    maxHours: z.int().min(1).max(336).default(12),
    /** Tag of the training image. */
    imageTag: name.default('latest'),
    /** How long logs are kept. */
    logDays: z.literal([1, 3, 5, 7, 14, 30, 60, 90, 180, 365]).default(30),
    /** When to train again; `null` for only by hand. */
    schedule: z
      .strictObject({
        /** Minute, hour, day of month, month, day of week, year, as EventBridge Scheduler writes it. */
        cron: z.string().regex(/^\S+( \S+){5}$/, 'expected six fields, such as `0 3 ? * SUN *`'),
        /** In which the hour is meant. */
        timeZone: z.string().refine(isTimeZone, 'expected a time zone such as Europe/Copenhagen'),
        /** It may begin so many minutes later. */
        flexibleMinutes: z.int().min(1).max(1440).default(60),
      })
      .nullable()
      .default(null),
  })
  .superRefine((training, context) => {
    const refuse = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    if (training.gpus > 0 && training.compute === 'fargate') {
      refuse('gpus', 'Fargate has no GPUs; set compute to ec2');
    }
    if (training.vcpus > training.maxVcpus) {
      refuse('maxVcpus', `a job has ${training.vcpus} vCPUs; expected at least as many`);
    }
    if (training.compute === 'fargate') {
      const range = FARGATE_MEMORY_GB[training.vcpus];
      if (!range) return refuse('vcpus', 'Fargate has 1, 2, 4, 8 or 16');
      const [smallest, largest, step] = range;
      const { memoryGb } = training;
      if (memoryGb < smallest || memoryGb > largest || (memoryGb - smallest) % step !== 0) {
        refuse('memoryGb', `with ${training.vcpus} vCPUs Fargate has ${smallest} to ${largest} GB in steps of ${step}`);
      }
    }
  });

const site = z
  .strictObject({
    /**
     * Folder of the built page, relative to this folder; `scripts/deploy.sh` builds it. The stack is left out
     * while it does not exist.
     */
    directory: z.string().min(1).default('site/dist'),
    /**
     * Addresses of other APIs, the output `Url` of their stages, whose models the page compares with this one.
     * Each has to name the page's origin in its own `serving.corsOrigins`.
     */
    compare: z.array(apiAddress).default([]),
    /** A domain of yours; otherwise the page has a name under cloudfront.net. */
    domain: z
      .strictObject({
        name: z.string().regex(/^([a-z0-9-]+\.)+[a-z]+$/, 'expected a domain such as llm.example.org'),
        certificateArn: z
          .string()
          .regex(/^arn:aws:acm:us-east-1:\d{12}:certificate\/\S+$/, 'expected a certificate of ACM in us-east-1'),
      })
      .nullable()
      .default(null),
  });

const alarms = z.strictObject({
  /** Who is told. AWS asks that address first. */
  email: z.email('expected an e-mail address').nullable().default(null),
  /** The 99th percentile of the time of a request, in seconds. */
  p99Seconds: z.number().positive().default(30),
  /** Time from the start of a process to a loaded model, in seconds. */
  coldStartSeconds: z.number().positive().default(10),
  /** A model older than this is reported: retraining is late. `null` if models may grow old. */
  modelAgeDays: z.int().min(1).nullable().default(null),
  /** Cost of the whole account in a month from which it is reported, in USD. `null` for no budget. */
  monthlyBudgetUsd: z.number().positive().nullable().default(10),
});

const schema = z.strictObject({
  storage: storage.prefault({}),
  serving: serving.prefault({}),
  training: training.prefault({}),
  site: site.prefault({}),
  alarms: alarms.prefault({}),
});

export type Settings = z.infer<typeof schema>;
export type SettingsInput = z.input<typeof schema>;

/** The stages. */
export const stages: Record<string, SettingsInput> = {
  /** To try things: whatever can be off is off. */
  dev: {},
  /** Retrains once a week, from what it serves, and asks for a key. */
  prod: {
    serving: { reservedConcurrency: 10, apiKey: {} },
    training: {
      start: 'current',
      schedule: { cron: '0 3 ? * SUN *', timeZone: 'Europe/Copenhagen' },
    },
    alarms: { modelAgeDays: 8, monthlyBudgetUsd: 50 },
  },
};

/** Settings with their defaults. `stage` is for messages. */
export function parseSettings(stage: string, input: unknown): Settings {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `  ${[stage, ...issue.path].join('.')}: ${issue.message}`);
  throw new Error(`bad settings in infra/settings.ts:\n${problems.join('\n')}`);
}

/** Settings of a stage. */
export function settingsOf(stage: string): Settings {
  const input = Object.hasOwn(stages, stage) ? stages[stage] : undefined;
  if (input === undefined) {
    throw new Error(`there is no stage ${stage} in infra/settings.ts, which has ${Object.keys(stages).join(', ')}`);
  }
  return parseSettings(stage, input);
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
