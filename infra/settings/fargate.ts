/** Sizes of tasks that Fargate offers. */

/** Memory that Fargate offers for each number of vCPUs, in GB: `[smallest, largest, step]`. */
export const FARGATE_MEMORY_GB: Record<number, [number, number, number]> = {
  1: [2, 8, 1],
  2: [4, 16, 1],
  4: [8, 30, 1],
  8: [16, 60, 4],
  16: [32, 120, 8],
};

/** Ephemeral storage that can be asked for, in GB: `[smallest, largest]`. A task that asks for none has 20. */
export const FARGATE_STORAGE_GB: [number, number] = [21, 200];
