/** Settings of the service: the container image on Fargate, behind a load balancer. */
import { z } from 'zod';
import { FARGATE_VCPUS } from './fargate.ts';

export const service = z
  .strictObject({
    /** vCPUs of a task; it has the least memory that Fargate offers for them. */
    vcpus: z.literal(FARGATE_VCPUS).default(2),
    /**
     * Requests that a task takes at once: they generate side by side. When three quarters of that run or wait in a
     * task, another one is started.
     */
    requestsAtOnce: z.int().min(1).max(1024).default(8),
    /** Tasks that always run, and the most of them: a cap on cost. */
    minTasks: z.int().min(1).max(100).default(1),
    maxTasks: z.int().min(1).max(100).default(4),
  })
  .refine(({ minTasks, maxTasks }) => minTasks <= maxTasks, {
    path: ['maxTasks'],
    message: 'expected at least minTasks',
  });
