/** AWS account and region of a run: found once, as the CDK finds them, and refused if the stage names others. */
import { createInterface } from 'node:readline';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { refuseOther } from '../lib/credentials.ts';
import { stages } from '../settings.ts';
import { reason } from './program.ts';

export interface Account {
  readonly account: string;
  readonly region: string;
}

/** Account and region of the credentials. Clients that are made afterwards use the same region. */
export async function currentAccount(stage: string): Promise<Account> {
  if (process.env.AWS_PROFILE && process.env.AWS_ACCESS_KEY_ID) {
    // The CDK takes the first, `gpt` the second.
    throw new Error('both AWS_PROFILE and AWS_ACCESS_KEY_ID are set, maybe of different accounts; unset one of them');
  }
  const region = await currentRegion(stage);
  process.env.AWS_REGION = region;
  const { Account: account, Arn } = await new STSClient({}).send(new GetCallerIdentityCommand({})).catch((error) => {
    const remedy = 'sign in (aws login, aws sso login), or set AWS_PROFILE or AWS_ACCESS_KEY_ID';
    throw new Error(`AWS does not say who you are: ${reason(error)}; ${remedy}`);
  });
  if (!account) throw new Error('AWS does not say which account this is');
  console.error(`stage ${stage}: account ${account}, region ${region}, as ${Arn}`);
  refuseOther(stage, { account, region });
  return { account, region };
}

async function currentRegion(stage: string): Promise<string> {
  // The CDK and `gpt` read the second one too, the SDK does not.
  const named = process.env.AWS_REGION || process.env.AWS_DEFAULT_REGION;
  if (named) return named;
  // An empty one would hide that of the profile.
  delete process.env.AWS_REGION;
  const ofStage = Object.hasOwn(stages, stage) ? stages[stage]?.region : undefined;
  return new STSClient({}).config.region().catch((error) => {
    if (ofStage) return ofStage;
    const remedy = `set AWS_REGION, region in the profile, or \`region\` of stage ${stage} in infra/settings.ts`;
    throw new Error(`there is no AWS region (${reason(error)}); ${remedy}`);
  });
}

/** Throws if the answer to a question is another than expected. */
export async function confirm(question: string, expected: string): Promise<void> {
  process.stderr.write(`${question}\nType "${expected}" to go on: `);
  let answer = '';
  // Ends without an answer too; `question()` would wait.
  for await (const line of createInterface({ input: process.stdin })) {
    answer = line.trim();
    break;
  }
  if (answer === expected) return;
  throw new Error(`not confirmed: expected "${expected}", found "${answer}"; nothing was changed`);
}
