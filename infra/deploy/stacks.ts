/** The stacks of a stage that exist in an account and region. */
import { type CloudFormationClient, paginateDescribeStacks, type Stack } from '@aws-sdk/client-cloudformation';
import { STACKS, stackOf } from '../lib/names.ts';

/** In the order of creation; those that this version of the app does not make come last. */
export async function existingStacks(client: CloudFormationClient, stage: string): Promise<Stack[]> {
  const found: Stack[] = [];
  for await (const page of paginateDescribeStacks({ client }, {})) found.push(...(page.Stacks ?? []));
  const names: readonly string[] = STACKS;
  const order = ({ StackName = '' }: Stack) => {
    const index = names.indexOf(stackOf(stage, StackName) ?? '');
    return index === -1 ? names.length : index;
  };
  return found
    .filter(({ StackName = '' }) => stackOf(stage, StackName) !== undefined)
    .toSorted((one, other) => order(one) - order(other));
}

/** Outputs of stacks, by name. */
export function outputsOf(stacks: Stack[]): Record<string, string | undefined> {
  const outputs = stacks.flatMap(({ Outputs = [] }) => Outputs);
  return Object.fromEntries(outputs.map(({ OutputKey, OutputValue }) => [OutputKey, OutputValue]));
}
