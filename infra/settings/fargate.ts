/** Sizes of tasks that Fargate offers. */

/** Memory that Fargate offers for each number of vCPUs, in GB: `[smallest, largest, step]`. */
export const FARGATE_MEMORY_GB: Record<number, [number, number, number]> = {
  1: [2, 8, 1],
  2: [4, 16, 1],
  4: [8, 30, 1],
  8: [16, 60, 4],
  16: [32, 120, 8],
};
