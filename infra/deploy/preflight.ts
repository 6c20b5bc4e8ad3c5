/**
 * Preflight of scripts/deploy.sh: whose account it is, what stands in the way of a deployment, and a confirmation:
 *
 *   preflight.ts --stage NAME [--yes] [PROBLEM...]
 *
 * Problems that the script found are told with those found here. Prints the account and region, and whether the CDK's
 * bootstrap stack is missing and API Gateway has a role for its logs.
 */
import { parseArgs } from 'node:util';
import { CloudFormationClient, type Stack } from '@aws-sdk/client-cloudformation';
import { APIGatewayClient, GetAccountCommand } from '@aws-sdk/client-api-gateway';
import { GetParameterCommand, ParameterNotFound, SSMClient } from '@aws-sdk/client-ssm';
import { settingsOf } from '../settings.ts';
import { confirm, currentAccount } from './account.ts';
import { print, program, reason } from './program.ts';
import { checkConcurrency, checkVcpus, type Findings } from './quotas.ts';
import { asSetting, retained } from './retained.ts';
import { existingStacks, outputsOf } from './stacks.ts';

/** Written by `cdk bootstrap`, with the qualifier that the CDK uses if none is set. */
const BOOTSTRAP_VERSION = '/cdk-bootstrap/hnb659fds/version';

await program(async () => {
  const { values, positionals } = parseArgs({
    options: { stage: { type: 'string', default: '' }, yes: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  const findings: Findings = { problems: positionals, warnings: [] };
  const found = await inspect(values.stage, findings).catch((error) => {
    findings.problems.push(reason(error));
  });
  for (const warning of findings.warnings) console.error(`warning: ${warning}`);
  for (const problem of findings.problems) console.error(`problem: ${problem}`);
  if (!found || findings.problems.length > 0) {
    throw new Error(`${findings.problems.length} problem(s), see above; nothing was built or deployed`);
  }
  const { account, region, stacks, isBootstrapped, hasLogRole } = found;
  await confirmStage(values.stage, `account ${account}, region ${region}`, stacks, values.yes);
  print({ account, region, bootstrap: isBootstrapped ? '' : 'missing', api_log_role: hasLogRole ? 'existing' : '' });
});

async function inspect(stage: string, findings: Findings) {
  const settings = settingsOf(stage);
  const { account, region } = await currentAccount(stage);
  const stacks = await existingStacks(new CloudFormationClient({}), stage);
  /** Rights to look at quotas are often missing, and those to deploy are there. */
  const orWarn = (what: string) => (error: unknown) => {
    findings.warnings.push(`${what} could not be checked: ${reason(error)}`);
  };
  const functionName = outputsOf(stacks).FunctionName;
  const [isBootstrapped = true, hasLogRole] = await Promise.all([
    bootstrapped().catch(orWarn("the CDK's bootstrap stack")),
    // Not known is no answer: the role of others would be replaced, or there would be none.
    apiGatewayHasLogRole(),
    checkConcurrency(settings.serving.reservedConcurrency, functionName, findings).catch(orWarn("Lambda's limits")),
    checkVcpus(settings.training, findings).catch(orWarn('the vCPUs to train on')),
    // A stage that is there has its own.
    stacks.length === 0 && settings.storage.adopt === null
      ? checkRetained(stage, region, findings).catch(orWarn('what an earlier deployment left'))
      : undefined,
  ]);
  return { account, region, stacks, isBootstrapped, hasLogRole };
}

/** Models and texts of a stage that was deleted would be out of sight, and a first model trained beside them. */
async function checkRetained(stage: string, region: string, { problems }: Findings): Promise<void> {
  const found = await retained(stage, region);
  if (Object.keys(found).length === 0) return;
  problems.push(
    `an earlier deployment of stage ${stage} left buckets or images; expected in infra/settings.ts ` +
      `${asSetting(found)} to go on with them, or storage: { adopt: {} } to leave them alone`,
  );
}

async function bootstrapped(): Promise<boolean> {
  try {
    await new SSMClient({}).send(new GetParameterCommand({ Name: BOOTSTRAP_VERSION }));
    return true;
  } catch (error) {
    if (error instanceof ParameterNotFound) return false;
    throw error;
  }
}

/** Whether API Gateway has a role with which it writes the logs of all APIs of the account. */
async function apiGatewayHasLogRole(): Promise<boolean> {
  const { cloudwatchRoleArn } = await new APIGatewayClient({}).send(new GetAccountCommand({}));
  return cloudwatchRoleArn !== undefined;
}

/** Asks before a stage other than `dev`, and in other words before a new one: wrong credentials would make a second. */
async function confirmStage(stage: string, place: string, stacks: Stack[], yes: boolean): Promise<void> {
  if (stage === 'dev') return;
  if (stacks.length > 0) {
    const names = stacks.map(({ StackName }) => StackName).join(', ');
    if (!yes) await confirm(`This changes stage ${stage} in ${place}: ${names}`, stage);
    return;
  }
  if (!yes) {
    const question = `There is no stage ${stage} in ${place}: this makes a new one. Is there one elsewhere, stop here.`;
    return confirm(question, `new ${stage}`);
  }
  if (settingsOf(stage).account === null) {
    throw new Error(
      `there is no stage ${stage} in ${place}, and --yes makes none: set \`account\` of ${stage} in ` +
        'infra/settings.ts, or deploy it once without --yes',
    );
  }
}
