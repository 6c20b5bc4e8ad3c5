/** Hook of CodeDeploy: asks a new version of the function for a text before requests are sent to it. */
// Both come with Lambda's runtime.
import { CodeDeployClient, PutLifecycleEventHookExecutionStatusCommand } from '@aws-sdk/client-codedeploy';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { check } from './check.mjs';
import { answerOf, eventOf } from './event.mjs';

/** Less than the time limit of the hook: CodeDeploy would wait an hour for one that does not report. */
const PATIENCE_MS = 120_000;

export async function handler({ DeploymentId, LifecycleEventHookExecutionId }) {
  const { VERSION, ENDPOINT, KEY_REQUIRED } = process.env;
  const lambda = new LambdaClient();
  const ask = async (method, path, json) => {
    const Payload = JSON.stringify(eventOf(ENDPOINT, method, path, json));
    const abortSignal = AbortSignal.timeout(PATIENCE_MS);
    const answer = await lambda.send(new InvokeCommand({ FunctionName: VERSION, Payload }), { abortSignal });
    if (answer.FunctionError) throw new Error(`the function failed: ${Buffer.from(answer.Payload)}`);
    return answerOf(answer.Payload);
  };
  let status = 'Succeeded';
  try {
    await check(ask, KEY_REQUIRED === 'true');
  } catch (error) {
    status = 'Failed';
    console.error(`${VERSION} gets no requests: ${error.message}`);
  }
  await new CodeDeployClient().send(
    new PutLifecycleEventHookExecutionStatusCommand({
      deploymentId: DeploymentId,
      lifecycleEventHookExecutionId: LifecycleEventHookExecutionId,
      status,
    }),
  );
}
