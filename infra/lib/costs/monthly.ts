/** What a stage costs in a month: what it keeps, retraining, and what use of it adds in metrics and logs. */
import type { Settings } from '../../settings.ts';
import { serviceHourUsd } from './crossover.ts';
import { DAYS_PER_MONTH, FREE, HOURS_PER_MONTH, PRICES } from './prices.ts';

/** Sizes in GB, measured with the preset `the-verdict`: 162 million parameters. */
export const SIZES = {
  /** A version: three precisions, safetensors, draft index. */
  version: 1.6,
  /** A checkpoint: weights, and two numbers for each that the optimizer keeps. */
  checkpoint: 1.95,
  /** An image before compression: more than it takes. */
  image: 0.7,
  /** The log of a request: 0.9 kB of the function, measured; Lambda's own lines and API Gateway's, counted by hand. */
  logOfRequest: 1.6e-6,
};

/** Steps of a training of `the-verdict`, and hours that it takes on four vCPUs, with the fetching of the image. */
const TRAINING = { steps: 90, hours: 0.1 };

/** Images that a repository keeps. */
const IMAGES = 3;

/** Metrics that the function reports while it is used, less error codes (`describe` in functions/generate). */
export const FUNCTION_METRICS = 14;
/** Metrics that it reports besides of each of two channels, if it has a challenger. */
export const CHANNEL_METRICS = 5;
/** Kinds of errors that there are in a usual month; each is a metric. */
const ERROR_CODES = 3;

/** A stage, and how it is used. */
export interface Stage {
  readonly settings: Settings;
  /** Counted in its stacks. */
  readonly alarms: number;
  readonly dashboards: number;
  readonly use: {
    readonly trainingsPerMonth: number;
    readonly requestsPerMonth: number;
    /** Hours of the month in which there are requests. */
    readonly hoursInUse: number;
  };
}

/** A line of the bill: a quantity, and its price. */
export interface Item {
  readonly what: string;
  readonly quantity: number;
  readonly unit: string;
  readonly usd: number;
}

const item = (what: string, quantity: number, unit: string, price: number): Item => ({
  what,
  quantity,
  unit,
  usd: quantity * price,
});

/** GB of versions in the store: those that are kept, and those that pruning has deleted and that can be restored. */
export function versionsGb({ settings, use }: Stage, months: number): number {
  const { prune, oldVersionsDays } = settings.storage;
  const trained = Math.max(1, Math.ceil(use.trainingsPerMonth * months));
  if (!prune) return trained * SIZES.version;
  const kept = Math.min(trained, prune.keep);
  const deleted = Math.min(trained - kept, (use.trainingsPerMonth * oldVersionsDays) / DAYS_PER_MONTH);
  return (kept + deleted) * SIZES.version;
}

/** GB of checkpoints: those of each training stay until they expire, and a day as deleted ones. */
export function checkpointsGb({ settings, use }: Stage): number {
  const ofTraining = Math.ceil(TRAINING.steps / settings.training.checkpointEverySteps);
  const months = (settings.storage.checkpointDays + 1) / DAYS_PER_MONTH;
  return use.trainingsPerMonth * ofTraining * months * SIZES.checkpoint;
}

/** The items of a stage after `months`, without what an account has for nothing. */
export function monthlyCosts(stage: Stage, months = 12): Item[] {
  const { settings, alarms, dashboards, use } = stage;
  const { serving, training } = settings;
  const repositories = Number(use.trainingsPerMonth > 0) + Number(serving.package === 'image');
  const vcpuHours = training.vcpus * TRAINING.hours;
  const trainingUsd =
    (vcpuHours * PRICES.fargate.vcpuHour + training.memoryGb * TRAINING.hours * PRICES.fargate.gbHour) *
    (training.spot ? PRICES.fargate.spotShare : 1);
  const inLambda = serving.compute === 'lambda';
  const snapshots = inLambda && serving.package === 'image' ? (serving.memoryMb / 1024) * HOURS_PER_MONTH * 3600 : 0;
  const provisioned = ((serving.provisionedConcurrency ?? 0) * serving.memoryMb * HOURS_PER_MONTH * 3600) / 1024;
  return [
    item('Versions of models', versionsGb(stage, months), 'GB', PRICES.s3.gbMonth),
    item('Checkpoints', checkpointsGb(stage), 'GB', PRICES.s3.gbMonth),
    item('Images', repositories * IMAGES * SIZES.image, 'GB', PRICES.ecr.gbMonth),
    // On instances it is not known: no throughput was measured there.
    item('Retraining on Fargate', training.compute === 'fargate' ? use.trainingsPerMonth : 0, 'runs', trainingUsd),
    item('Key that signs', training.signingKey === 'create' ? 1 : 0, 'keys', PRICES.kms.keyMonth),
    item('Service', inLambda ? 0 : HOURS_PER_MONTH, 'hours', serviceHourUsd(serving.service, serving.service.minTasks)),
    item('Snapshot of the function', snapshots, 'GB-seconds', PRICES.lambda.snapStartGbSecond),
    item('Provisioned concurrency', provisioned, 'GB-seconds', PRICES.lambda.provisionedGbSecond),
    item('Firewall', serving.waf ? 1 : 0, 'ACL with three rules', PRICES.waf.aclMonth + 3 * PRICES.waf.ruleMonth),
    item('Alarms', alarms, '', PRICES.cloudwatch.alarmMonth),
    item('Dashboards', dashboards, '', PRICES.cloudwatch.dashboardMonth),
    item('Metrics', metrics(stage), 'months', PRICES.cloudwatch.metricMonth),
    item('Logs', use.requestsPerMonth * SIZES.logOfRequest, 'GB', PRICES.cloudwatch.logGb),
  ];
}

/** Metrics, each for the share of a month in which it has values. The age of the model has one in an hour of a day. */
function metrics({ settings, use }: Stage): number {
  const { compute, challenger } = settings.serving;
  const inUse = FUNCTION_METRICS + ERROR_CODES + (challenger ? 2 * CHANNEL_METRICS : 0);
  // The length of a service's queue.
  const always = compute === 'ecs' ? 1 : 0;
  const daily = settings.alarms.modelAgeDays === null ? 0 : 1;
  return always + (inUse * use.hoursInUse) / HOURS_PER_MONTH + daily / 24;
}

/** What the stages of an account cost together: what it has for nothing, it has once. */
export function accountCosts(stages: Stage[], months = 12): Item[] {
  const free: Record<string, number> = {
    Alarms: FREE.alarms,
    Dashboards: FREE.dashboards,
    Metrics: FREE.metrics,
    Logs: FREE.logGb,
  };
  const [first, ...others] = stages.map((stage) => monthlyCosts(stage, months));
  return (first ?? []).map((line, index) => {
    const lines = [line, ...others.map((items) => items[index]!)];
    const [quantity, usd] = [sum(lines.map((each) => each.quantity)), sum(lines.map((each) => each.usd))];
    const paid = Math.max(0, quantity - (free[line.what] ?? 0));
    return { ...line, quantity, usd: quantity === 0 ? 0 : (usd * paid) / quantity };
  });
}

/** Sum of what items cost. */
export function total(items: Item[]): number {
  return sum(items.map(({ usd }) => usd));
}

function sum(numbers: number[]): number {
  return numbers.reduce((left, right) => left + right, 0);
}
