/** Deletion of the stacks of a stage; scripts/destroy.sh runs it. */
import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import {
  CloudFormationClient,
  DeleteStackCommand,
  paginateDescribeStackEvents,
  paginateListStackResources,
  type Stack,
  waitUntilStackDeleteComplete,
} from '@aws-sdk/client-cloudformation';
import { STACKS, stackName } from '../lib/names.ts';
import { confirm, currentAccount } from './account.ts';
import { program, reason } from './program.ts';
import { asSetting, retained } from './retained.ts';
import { existingStacks } from './stacks.ts';

const USAGE = `usage: scripts/destroy.sh --stage NAME [--yes] [--dry-run]

  --stage NAME  the stage, as it was deployed
  --yes         do not ask
  --dry-run     print what would be done; needs no account

Models, texts and images stay, unless the stage is disposable: infra/README.md says how to delete those.`;

/** A distribution of CloudFront takes half an hour. */
const LONGEST_SECONDS = 2 * 3600;

await program(async () => {
  const { stage, yes, 'dry-run': dryRun } = options();
  if (dryRun) {
    for (const stack of STACKS.toReversed()) console.log(`+ delete ${stackName(stage, stack)}, if it exists`);
    console.log('buckets and image repositories stay, unless the stage is disposable, see infra/README.md');
    return;
  }
  const { account, region } = await currentAccount(stage);
  const place = `account ${account}, region ${region}`;
  const client = new CloudFormationClient({});
  const stacks = (await existingStacks(client, stage)).reverse();
  if (stacks.length === 0) {
    throw new Error(
      `there are no stacks of stage ${stage} in ${place}; nothing was deleted. For another region set AWS_REGION, ` +
        'for another account AWS_PROFILE',
    );
  }
  const names = stacks.map(({ StackName }) => StackName).join(', ');
  if (!yes) await confirm(`This deletes ${names} of ${place}.`, stage);
  const kept: string[] = [];
  for (const stack of stacks) {
    console.log(`deleting ${stack.StackName}`);
    await deleteStack(client, stack);
    kept.push(...(await keptResources(client, stack)));
  }
  console.log(`destroyed: the stacks of stage ${stage} in ${place}`);
  for (const resource of kept) console.log(`stays: ${resource}`);
  const found = await retained(stage, region);
  if (Object.keys(found).length === 0) return;
  console.log(`to go on with what stays in a new deployment, set ${asSetting(found)}`);
  console.log('infra/README.md says how to delete it');
});

function options() {
  try {
    const { values } = parseArgs({
      options: {
        stage: { type: 'string' },
        yes: { type: 'boolean', default: false },
        'dry-run': { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    if (values.help) {
      console.log(USAGE);
      process.exit();
    }
    if (!values.stage) throw new Error('--stage is missing');
    return { ...values, stage: values.stage };
  } catch (error) {
    console.error(`error: ${reason(error)}\n${USAGE}`);
    process.exit(2);
  }
}

async function deleteStack(client: CloudFormationClient, { StackId: id, StackName: name }: Stack): Promise<void> {
  // Events of this deletion carry it, those of an earlier one do not.
  const token = randomUUID();
  await client.send(new DeleteStackCommand({ StackName: id, ClientRequestToken: token }));
  try {
    const wait = { client, minDelay: 5, maxDelay: 15, maxWaitTime: LONGEST_SECONDS };
    await waitUntilStackDeleteComplete(wait, { StackName: id });
  } catch (error) {
    const failures: string[] = [];
    for await (const page of paginateDescribeStackEvents({ client }, { StackName: id })) {
      for (const event of page.StackEvents ?? []) {
        if (event.ResourceStatus !== 'DELETE_FAILED' || event.ClientRequestToken !== token) continue;
        failures.push(`  ${event.LogicalResourceId} (${event.ResourceType}): ${event.ResourceStatusReason}`);
      }
    }
    if (failures.length === 0) throw error;
    throw new Error(
      `${name} was not deleted, and those it depends on were left alone:\n${failures.join('\n')}\n` +
        'remove the cause, and run this again',
    );
  }
}

/** What CloudFormation left because the template says so. A deleted stack is found by its id for 90 days. */
async function keptResources(client: CloudFormationClient, { StackId }: Stack): Promise<string[]> {
  const kept: string[] = [];
  for await (const page of paginateListStackResources({ client }, { StackName: StackId })) {
    for (const { ResourceStatus, ResourceType, PhysicalResourceId } of page.StackResourceSummaries ?? []) {
      if (ResourceStatus === 'DELETE_SKIPPED') kept.push(`${ResourceType} ${PhysicalResourceId}`);
    }
  }
  return kept;
}
