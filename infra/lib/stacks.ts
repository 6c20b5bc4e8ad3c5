/** The five stacks of a stage, as they refer to each other. */
import type { ObservabilityStack } from './observability/observability-stack.ts';
import type { ServiceStack } from './serving/service/service-stack.ts';
import type { ServingStack } from './serving/serving-stack.ts';
import type { SiteStack } from './site/site-stack.ts';
import type { StorageStack } from './storage/storage-stack.ts';
import type { TrainingStack } from './training/training-stack.ts';

export interface Stacks {
  readonly storage: StorageStack;
  /** The function, or the service that takes its place. */
  readonly serving: ServingStack | ServiceStack;
  readonly training: TrainingStack;
  readonly observability: ObservabilityStack;
  /** Left out if there is no built page. */
  readonly site?: SiteStack;
}
