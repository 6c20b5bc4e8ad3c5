/** Quotas of an account that a stage needs: concurrent executions of Lambda, and vCPUs to train on. */
import { GetAccountSettingsCommand, GetFunctionConcurrencyCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { GetServiceQuotaCommand, ServiceQuotasClient } from '@aws-sdk/client-service-quotas';
import { GPU_TYPES } from '../settings/gpu-types.ts';
import type { Settings } from '../settings.ts';

/** Where findings go: a problem stops the deployment, a warning does not. */
export interface Findings {
  readonly problems: string[];
  readonly warnings: string[];
}

/**
 * Concurrent executions that Lambda keeps for functions without reserved ones:
 * https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html. An account whose limit is lower can
 * reserve none: the error then names that limit.
 */
const UNRESERVED = 100;

/** Whether the account can reserve what `serving.reservedConcurrency` asks for. */
export async function checkConcurrency(
  wanted: Settings['serving']['reservedConcurrency'],
  deployedFunction: string | undefined,
  findings: Findings,
): Promise<void> {
  if (wanted === null) return;
  const client = new LambdaClient({});
  const { AccountLimit } = await client.send(new GetAccountSettingsCommand({}));
  const { ConcurrentExecutions: limit = 0, UnreservedConcurrentExecutions: unreserved = 0 } = AccountLimit ?? {};
  const { ReservedConcurrentExecutions: held = 0 } = deployedFunction
    ? await client.send(new GetFunctionConcurrencyCommand({ FunctionName: deployedFunction }))
    : {};
  const available = Math.max(0, unreserved + held - Math.min(UNRESERVED, limit));
  if (wanted <= available) return;
  findings.problems.push(
    `serving.reservedConcurrency is ${wanted}, and the account can reserve ${available} of its ${limit} concurrent ` +
      `executions, since ${Math.min(UNRESERVED, limit)} stay unreserved; ask Service Quotas for more ` +
      '(AWS Lambda, Concurrent executions), or set it to null',
  );
}

interface Kind {
  readonly service: string;
  /** Codes of Service Quotas, as `aws service-quotas list-service-quotas` shows them. */
  readonly onDemand: string;
  readonly spot: string;
}

const FARGATE: Kind = { service: 'fargate', onDemand: 'L-3032A538', spot: 'L-36FBB829' };

/** Quotas of instances by the letters that their types begin with. */
const INSTANCES: [RegExp, Kind][] = [
  [/^([acdhimrtz]|im|is)\d/, { service: 'ec2', onDemand: 'L-1216C47A', spot: 'L-34B43A08' }],
  [/^(g|gr|vt)\d/, { service: 'ec2', onDemand: 'L-DB2E81BA', spot: 'L-3819A6DF' }],
  [/^p\d/, { service: 'ec2', onDemand: 'L-417A185B', spot: 'L-7212CCBC' }],
];

/** Whether the machine of a training job fits into the account's vCPUs: of instances the smallest that are set. */
export async function checkVcpus(training: Settings['training'], findings: Findings): Promise<void> {
  const { compute, instanceTypes, spot, vcpus } = training;
  /** What a machine of each kind has at the least. */
  const kinds = new Map<Kind, number>();
  for (const type of compute === 'ec2' ? instanceTypes : []) {
    const [, kind] = INSTANCES.find(([types]) => types.test(type)) ?? [];
    // A machine with GPUs has more processors than its job needs, often by far.
    if (kind) kinds.set(kind, Math.min(kinds.get(kind) ?? Infinity, GPU_TYPES[type]?.[1] ?? vcpus));
    else findings.warnings.push(`training.instanceTypes: the quota of ${type} is not known here, so it is not checked`);
  }
  if (compute === 'fargate') kinds.set(FARGATE, vcpus);

  if (kinds.size === 0) return;
  const client = new ServiceQuotasClient({});
  // In the order in which Batch tries them. Where the first has no quota for a job, the job waits there.
  const markets = spot ? (['spot', 'onDemand'] as const) : (['onDemand'] as const);
  for (const [index, market] of markets.entries()) {
    const quotas = await Promise.all(
      [...kinds].map(async ([kind, needed]) => {
        const code = { ServiceCode: kind.service, QuotaCode: kind[market] };
        return { needed, Quota: (await client.send(new GetServiceQuotaCommand(code))).Quota };
      }),
    );
    if (quotas.some(({ needed, Quota }) => (Quota?.Value ?? 0) >= needed)) continue;
    const list = quotas.map(({ Quota }) => `${Quota?.QuotaName} (${Quota?.QuotaCode}) is ${Quota?.Value}`).join(', ');
    const least = Math.min(...kinds.values());
    const what = least > vcpus ? `the smallest of training.instanceTypes has ${least} vCPUs` : `training.vcpus is ${vcpus}`;
    const message = `${what}, and of the account's quotas ${list}`;
    if (index === 0) findings.problems.push(`${message}: no job can start; ask Service Quotas for more, or lower it`);
    else findings.warnings.push(`${message}: jobs wait for Spot`);
  }
}
