/** Sizes of tasks that Fargate offers, for training jobs and for the service. */

/** Numbers of vCPUs. It also offers a quarter and a half of one, which are too small for a model. */
export const FARGATE_VCPUS = [1, 2, 4, 8, 16] as const;

export type FargateVcpus = (typeof FARGATE_VCPUS)[number];

/** Memory for each number of vCPUs, in GB: `[smallest, largest, step]`. */
const MEMORY_GB: Record<FargateVcpus, [number, number, number]> = {
  1: [2, 8, 1],
  2: [4, 16, 1],
  4: [8, 30, 1],
  8: [16, 60, 4],
  16: [32, 120, 8],
};

/** Ephemeral storage that can be asked for, in GB: `[smallest, largest]`. A task that asks for none has 20. */
export const FARGATE_STORAGE_GB: [number, number] = [21, 200];

/** The least memory for a number of vCPUs, in GB. */
export function leastMemoryGb(vcpus: FargateVcpus): number {
  return MEMORY_GB[vcpus][0];
}

/** What is wrong with the size of a task: the setting, and what is expected; nothing if there is such a size. */
export function wrongSize(vcpus: number, memoryGb: number): ['vcpus' | 'memoryGb', string] | undefined {
  const offered = FARGATE_VCPUS.find((number) => number === vcpus);
  if (offered === undefined) return ['vcpus', `Fargate has ${FARGATE_VCPUS.join(', ')}`];
  const [smallest, largest, step] = MEMORY_GB[offered];
  if (memoryGb >= smallest && memoryGb <= largest && (memoryGb - smallest) % step === 0) return undefined;
  return ['memoryGb', `with ${vcpus} vCPUs Fargate has ${smallest} to ${largest} GB in steps of ${step}`];
}
