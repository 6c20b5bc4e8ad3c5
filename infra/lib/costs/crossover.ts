/** Crossover of the function, which costs by the request, and the service, which costs by the hour. */
import { leastMemoryGb } from '../../settings/fargate.ts';
import type { Settings } from '../../settings.ts';
import { PRICES } from './prices.ts';

/** Texts of 50 tokens, by 162 million parameters as int4 and without drafts: `README.md`, "Measured". */
export const MEASURED = {
  tokensPerRequest: 50,
  /** A request on one thread, which 1,769 MB have. */
  lambda: { memoryMb: 1769, secondsPerRequest: 0.175 },
  /** Tokens per second on two threads by the number of texts at once. */
  service: { vcpus: 2, tokensPerSecond: { 1: 476, 8: 1762 } },
} as const;

/**
 * Share of what tasks can do that a mean hour takes: traffic has peaks, and a queue that is always full is no service.
 */
const BUSY = 0.3;

/** Load balancer capacity units: a new connection in a second, a GB in an hour; our answers are small. */
const BALANCER_UNITS = 1;

export interface Crossover {
  /** From so many requests a day on, the service is cheaper. */
  readonly requestsPerDay: number;
  /** Tasks that they take. */
  readonly tasks: number;
}

/** What a request costs with the function, in USD. */
export function requestUsd(use: { memoryMb: number; secondsPerRequest: number }, restApi: boolean): number {
  const compute = (use.memoryMb / 1024) * use.secondsPerRequest * PRICES.lambda.gbSecond;
  return compute + PRICES.lambda.request + (restApi ? PRICES.restApi.request : 0);
}

/** What an hour of the service costs, in USD: tasks with their public addresses, and the load balancer. */
export function serviceHourUsd({ vcpus }: Pick<Settings['serving']['service'], 'vcpus'>, tasks: number): number {
  const { fargate, ipv4, balancer } = PRICES;
  const task = vcpus * fargate.vcpuHour + leastMemoryGb(vcpus) * fargate.gbHour + ipv4.hour;
  return tasks * task + balancer.hour + BALANCER_UNITS * balancer.unitHour;
}

/**
 * From how many requests a day on the service is cheaper, with as many tasks as they take; `null` if the function, of
 * which a request costs `requestPrice`, stays cheaper, however many there are.
 */
export function crossover(
  requestPrice: number,
  service: { vcpus: Settings['serving']['service']['vcpus']; tokensPerSecond: number },
  tokensPerRequest: number,
): Crossover | null {
  const ofTask = ((service.tokensPerSecond * 86_400) / tokensPerRequest) * BUSY;
  // The load balancer is shared: beyond so many tasks only they count.
  const dayOfTask = 24 * (serviceHourUsd(service, 2) - serviceHourUsd(service, 1));
  if (dayOfTask >= ofTask * requestPrice) return null;
  for (let tasks = 1; ; tasks += 1) {
    const requestsPerDay = Math.ceil((24 * serviceHourUsd(service, tasks)) / requestPrice);
    if (requestsPerDay <= tasks * ofTask) return { requestsPerDay, tasks };
  }
}
