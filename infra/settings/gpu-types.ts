/**
 * Instance types with GPUs that gpt can use: `[GPUs, vCPUs, memory in GB]`.
 *
 * Source: https://docs.aws.amazon.com/batch/latest/userguide/gpu-jobs.html and, for the newer ones,
 * https://docs.aws.amazon.com/ec2/latest/instancetypes/ac.html (2026-12-01). Left out are types for Arm, whose image
 * there is none of, and GPUs older than what libtorch's build for CUDA 12.8 has code for.
 */
export const GPU_TYPES: Record<string, [gpus: number, vcpus: number, memoryGb: number]> = {
  // T4, 16 GB each; no bf16.
  'g4dn.xlarge': [1, 4, 16],
  'g4dn.2xlarge': [1, 8, 32],
  'g4dn.4xlarge': [1, 16, 64],
  'g4dn.8xlarge': [1, 32, 128],
  'g4dn.16xlarge': [1, 64, 256],
  'g4dn.12xlarge': [4, 48, 192],
  'g4dn.metal': [8, 96, 384],
  // A10G, 24 GB each.
  'g5.xlarge': [1, 4, 16],
  'g5.2xlarge': [1, 8, 32],
  'g5.4xlarge': [1, 16, 64],
  'g5.8xlarge': [1, 32, 128],
  'g5.16xlarge': [1, 64, 256],
  'g5.12xlarge': [4, 48, 192],
  'g5.24xlarge': [4, 96, 384],
  'g5.48xlarge': [8, 192, 768],
  // L4, 24 GB each.
  'g6.xlarge': [1, 4, 16],
  'g6.2xlarge': [1, 8, 32],
  'g6.4xlarge': [1, 16, 64],
  'g6.8xlarge': [1, 32, 128],
  'g6.16xlarge': [1, 64, 256],
  'gr6.4xlarge': [1, 16, 128],
  'gr6.8xlarge': [1, 32, 256],
  'g6.12xlarge': [4, 48, 192],
  'g6.24xlarge': [4, 96, 384],
  'g6.48xlarge': [8, 192, 768],
  // L40S, 48 GB each.
  'g6e.xlarge': [1, 4, 32],
  'g6e.2xlarge': [1, 8, 64],
  'g6e.4xlarge': [1, 16, 128],
  'g6e.8xlarge': [1, 32, 256],
  'g6e.16xlarge': [1, 64, 512],
  'g6e.12xlarge': [4, 48, 384],
  'g6e.24xlarge': [4, 96, 768],
  'g6e.48xlarge': [8, 192, 1536],
  // A100, 40 and 80 GB each.
  'p4d.24xlarge': [8, 96, 1152],
  'p4de.24xlarge': [8, 96, 1152],
  // H100 and H200, 80 and 141 GB each.
  'p5.4xlarge': [1, 16, 256],
  'p5.48xlarge': [8, 192, 2048],
  'p5e.48xlarge': [8, 192, 2048],
  'p5en.48xlarge': [8, 192, 2048],
  // B200, 180 GB each.
  'p6-b200.48xlarge': [8, 192, 2048],
};

/** What a job needs of a machine. */
interface Needs {
  readonly gpus: number;
  readonly vcpus: number;
  readonly memoryGb: number;
}

/** Whether a job fits: ECS and the system keep some memory for themselves. */
export function fits(type: string, needs: Needs): boolean {
  const [gpus, vcpus, memoryGb] = GPU_TYPES[type] ?? [0, 0, 0];
  return gpus >= needs.gpus && vcpus >= needs.vcpus && memoryGb > needs.memoryGb;
}

/** Families with bf16, of which Batch takes what is to be had, for the least money first. */
const USUAL_FAMILIES = ['g6', 'g5', 'g6e'];

/** The smallest type of each usual family that a job fits on. */
export function usualTypes(needs: Needs): string[] {
  return USUAL_FAMILIES.flatMap((family) => {
    const types = Object.keys(GPU_TYPES).filter((type) => type.startsWith(`${family}.`) && fits(type, needs));
    const vcpusOf = (type: string) => GPU_TYPES[type]![1];
    return types.toSorted((one, other) => vcpusOf(one) - vcpusOf(other)).slice(0, 1);
  });
}
