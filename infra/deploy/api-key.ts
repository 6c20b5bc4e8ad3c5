/** A key of a stage's API in a new file, as a header for `curl --header @FILE`: api-key.ts STAGE FILE */
import { writeFileSync } from 'node:fs';
import { APIGatewayClient, GetApiKeyCommand } from '@aws-sdk/client-api-gateway';
import { CloudFormationClient, paginateListStackResources } from '@aws-sdk/client-cloudformation';
import { stackName } from '../lib/names.ts';
import { program } from './program.ts';

await program(async (stage = '', file = '') => {
  const apiKey = await firstKey(stackName(stage, 'Serving'));
  const { value } = await new APIGatewayClient({}).send(new GetApiKeyCommand({ apiKey, includeValue: true }));
  // For nobody else to read, and never over a file that is there already.
  writeFileSync(file, `x-api-key: ${value}\n`, { mode: 0o600, flag: 'wx' });
});

async function firstKey(StackName: string): Promise<string> {
  const client = new CloudFormationClient({});
  for await (const page of paginateListStackResources({ client }, { StackName })) {
    const key = page.StackResourceSummaries?.find(({ ResourceType }) => ResourceType === 'AWS::ApiGateway::ApiKey');
    if (key?.PhysicalResourceId) return key.PhysicalResourceId;
  }
  throw new Error(`${StackName} has no API key; expected one, as serving.apiKey is set`);
}
