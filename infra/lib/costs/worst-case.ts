/**
 * Worst case of a day: what a stage costs at the most if callers and jobs use all that its settings allow, around the
 * clock. What is stored is not in it: it does not grow in a day.
 */
import type { Settings } from '../../settings.ts';
import { GRACE_SECONDS } from '../serving/grace.ts';
import { serviceHourUsd } from './crossover.ts';
import { SIZES } from './monthly.ts';
import { PRICES } from './prices.ts';

const DAY_SECONDS = 86_400;
/** Concurrent executions of an account, all functions together, where nothing is reserved; a new account has 10. */
const ACCOUNT_CONCURRENCY = 1000;
/** The shortest requests, such as those of checks, or that a function refuses for want of a key; an estimate. */
const SHORTEST_REQUEST_SECONDS = 0.01;

export interface WorstCase {
  /** USD a day. */
  readonly callers: number;
  readonly training: number;
  /** What the settings bound, but not in USD: instances, whose price depends on their type. */
  readonly unknown: string[];
}

/** What a stage costs in a day at the most. */
export function worstCase({ serving, training, storage }: Settings): WorstCase {
  const unknown: string[] = [];
  const managed = serving.managedInstances;
  if (managed) unknown.push(`instances of serving.managedInstances (${managed.maxVcpus} vCPUs)`);
  if (training.compute === 'ec2') unknown.push(`instances of training (${queues(training) * training.maxVcpus} vCPUs)`);
  unknown.push('traffic of page and documentation');
  return {
    callers: serving.compute === 'ecs' ? 24 * serviceHourUsd(serving.service, serving.service.maxTasks) : calls(serving),
    training: (training.compute === 'fargate' ? jobs(training) : 0) + (storage.prune ? pruning() : 0),
    unknown,
  };
}

/** The same as a sentence. */
export function worstCaseSentence(stage: string, settings: Settings): string {
  const { callers, training, unknown } = worstCase(settings);
  const usd = (amount: number) => amount.toFixed(2);
  return (
    `stage ${stage} costs at most ${usd(callers + training)} USD a day besides what it stores: ` +
    `callers ${usd(callers)}, training ${usd(training)}; not counted: ${unknown.join(', ')}`
  );
}

/** Calls of a function, each as long as a request may take. API Gateway bills no call that it refuses. */
function calls({ apiKey, ...serving }: Settings['serving']): number {
  const instanceSeconds = (serving.reservedConcurrency ?? ACCOUNT_CONCURRENCY) * DAY_SECONDS;
  const behindGateway = serving.endpoint === 'rest-api';
  const most = behindGateway ? serving.throttle.rate * DAY_SECONDS : instanceSeconds / SHORTEST_REQUEST_SECONDS;
  // Beyond the quotas of the keys there are only what needs none: checks, documentation, preflight requests.
  const texts = apiKey ? Math.min(most, apiKey.names.length * apiKey.requestsPerDay) : most;
  const ofTexts = texts * (serving.timeLimitSeconds + GRACE_SECONDS);
  const seconds = Math.min(ofTexts + (most - texts) * SHORTEST_REQUEST_SECONDS, instanceSeconds);
  const price = PRICES.lambda.request + (behindGateway ? PRICES.restApi.request : 0);
  const perCall = price + SIZES.logOfRequest * PRICES.cloudwatch.logGb;
  // Of instances each hour is paid for, whoever calls.
  const perSecond = serving.managedInstances ? 0 : (serving.memoryMb / 1024) * PRICES.lambda.gbSecond;
  const provisioned = (serving.provisionedConcurrency ?? 0) * (serving.memoryMb / 1024) * PRICES.lambda.provisionedGbSecond;
  return most * perCall + seconds * perSecond + DAY_SECONDS * provisioned;
}

/** Compute environments of a queue, each with as many vCPUs. */
function queues({ spot }: Settings['training']): number {
  return spot ? 2 : 1;
}

/** As many jobs as there is room for, on Fargate. Spot may cost as much as what is not. */
function jobs(training: Settings['training']): number {
  const { fargate, ipv4 } = PRICES;
  const count = queues(training) * Math.floor(training.maxVcpus / training.vcpus);
  const storage = Math.max(0, (training.storageGb ?? 0) - fargate.freeStorageGb) * fargate.storageGbHour;
  const hour = training.vcpus * fargate.vcpuHour + training.memoryGb * fargate.gbHour + storage + ipv4.hour;
  return 24 * count * hour;
}

/** Four jobs that prune, which share a vCPU, with a GB each. */
function pruning(): number {
  const { fargate, ipv4 } = PRICES;
  return 24 * (fargate.vcpuHour + 4 * (fargate.gbHour + ipv4.hour));
}
