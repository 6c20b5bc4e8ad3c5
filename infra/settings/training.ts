/** Settings of training: what a job trains, the machine it runs on, and when. */
import { z } from 'zod';
import { FARGATE_STORAGE_GB, wrongSize } from './fargate.ts';
import { fits, GPU_TYPES, usualTypes } from './gpu-types.ts';
import { name } from './name.ts';
import { schedule } from './schedule.ts';

/**
 * Root volume of the images for instances of ECS, and so the least that EC2 accepts for them:
 * https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-optimized_AMI.html
 */
const AMI_STORAGE_GB = 30;

/** Several, so that Batch takes what is to be had. */
const TYPES_WITHOUT_GPU = ['m7i.xlarge', 'm6i.xlarge', 'r7i.xlarge'];

export const training = z
  .strictObject({
    /** Preset of `gpt train`: model and training settings. */
    preset: name.default('the-verdict'),
    /** Key prefix of the texts in the corpus bucket; empty for the whole bucket. */
    corpusPrefix: z
      .string()
      .regex(/^([A-Za-z0-9._-]+\/)*$/, 'expected nothing, or names that end with /')
      // Half of what the key of an object may have.
      .max(512)
      .default(''),
    /** Start from random weights (`scratch`), or from the model that the channel names (`current`). */
    start: z.enum(['scratch', 'current']).default('scratch'),
    /** Promotion gate, in nats per token: by how much a new model's validation loss may exceed the served one's. */
    margin: z.number().min(0).max(10).default(0.05),
    /** Steps between checkpoints in the store: at most so many are lost with a machine. */
    checkpointEverySteps: z.int().min(1).default(50),
    /**
     * Key that signs new versions, for `serving.trustedKeys`: the ARN of a key in AWS KMS, of ECC_NIST_P256 for
     * SIGN_VERIFY, or `create` for one of this app. `null`: they are not signed.
     */
    signingKey: z
      .union(
        [z.literal('create'), z.string().regex(/^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key\/[a-z0-9-]+$/)],
        'expected `create`, or the ARN of a key in AWS KMS, and not of an alias: rights are those to a key',
      )
      .nullable()
      .default(null),
    /** `fargate`: serverless. `ec2`: instances of `instanceTypes`, for more speed or a GPU. */
    compute: z.enum(['fargate', 'ec2']).default('fargate'),
    /** Use Spot capacity, at about a third of the price. A run that loses its machine resumes on another. */
    spot: z.boolean().default(true),
    /** vCPUs of a job. */
    vcpus: z.int().min(1).max(192).default(4),
    /** Memory of a job in GB. */
    memoryGb: z.int().min(1).max(1024).default(8),
    /**
     * Storage of a job in GB, for its image, texts, token ids and checkpoints. `null`: what comes with the machine, 20
     * on Fargate and 30 on an instance, which is enough for 6 GB of text: a GB takes 1.5, and `the-verdict` 10 besides.
     */
    storageGb: z.int().min(FARGATE_STORAGE_GB[0]).max(16_384).nullable().default(null),
    /**
     * GPUs of a job; `ec2` only. scripts/deploy.sh then builds the image with CUDA. With more than one, a step of the
     * preset has to have as many batches: `training.tokens_per_step` of its settings, as `gpt train --help` says.
     */
    gpus: z.int().min(0).max(8).default(0),
    /**
     * Instance types that a job fits on, with some memory to spare; `ec2` only. `null` for usual ones: m7i.xlarge,
     * m6i.xlarge and r7i.xlarge, or with GPUs the smallest of the families g6, g5 and g6e.
     */
    instanceTypes: z
      .array(z.string().regex(/^[a-z0-9-]+\.[a-z0-9-]+$/, 'expected an instance type such as m7i.xlarge'))
      .min(1)
      .nullable()
      .default(null),
    /** vCPUs of all concurrent jobs: a cap on cost. */
    maxVcpus: z.int().min(1).default(16),
    /** Attempts of a run that loses its machines. */
    attempts: z.int().min(1).max(10).default(5),
    /** Time limit of an attempt, in hours. */
    maxHours: z.int().min(1).max(336).default(12),
    /** Tag of the training image. */
    imageTag: name.default('latest'),
    /** Retention of logs, in days. */
    logDays: z.literal([1, 3, 5, 7, 14, 30, 60, 90, 180, 365]).default(30),
    /** Schedule of retraining; `null` for training by hand only. */
    schedule: z
      .strictObject({
        ...schedule,
        /** Flexible time window: the run may begin so many minutes later. */
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
    if (training.gpus > 0 && training.compute === 'ec2') refuseTypes(training, refuse);
    if (training.vcpus > training.maxVcpus) {
      refuse('maxVcpus', `a job has ${training.vcpus} vCPUs; expected at least as many`);
    }
    const { storageGb } = training;
    if (training.compute === 'fargate' && storageGb !== null && storageGb > FARGATE_STORAGE_GB[1]) {
      refuse('storageGb', `Fargate has ${FARGATE_STORAGE_GB.join(' to ')} GB; set compute to ec2 for more`);
    }
    if (training.compute === 'ec2' && storageGb !== null && storageGb < AMI_STORAGE_GB) {
      refuse('storageGb', `the images of instances take a volume of ${AMI_STORAGE_GB} GB or more`);
    }
    if (training.compute === 'fargate') {
      const wrong = wrongSize(training.vcpus, training.memoryGb);
      if (wrong) refuse(...wrong);
    }
  })
  .transform((training) => ({
    ...training,
    instanceTypes: training.instanceTypes ?? (training.gpus > 0 ? usualTypes(training) : TYPES_WITHOUT_GPU),
  }));

/** Refuses instance types that a job with GPUs does not fit on. */
function refuseTypes(
  training: { instanceTypes: string[] | null; gpus: number; vcpus: number; memoryGb: number },
  refuse: (path: string, message: string) => void,
): void {
  const { gpus, vcpus, memoryGb } = training;
  const needs = `${counted(gpus)}, ${vcpus} vCPUs and more than ${memoryGb} GB of memory`;
  const usual = usualTypes(training);
  if (usual.length === 0 && training.instanceTypes === null) {
    return refuse('instanceTypes', `no usual type has ${needs}; infra/settings/gpu-types.ts lists all that there are`);
  }
  for (const type of training.instanceTypes ?? []) {
    if (fits(type, training)) continue;
    const found = GPU_TYPES[type];
    const has = found ? `${counted(found[0])}, ${found[1]} vCPUs and ${found[2]} GB` : 'no GPU that gpt can use';
    refuse('instanceTypes', `${type} has ${has}; expected ${needs}, such as ${usual.join(', ') || 'p5.48xlarge'}`);
  }
}

function counted(gpus: number): string {
  return gpus === 1 ? '1 GPU' : `${gpus} GPUs`;
}
