/** Outputs of a stage's stacks: outputs.ts STAGE */
import { CloudFormationClient } from '@aws-sdk/client-cloudformation';
import { print, program } from './program.ts';
import { existingStacks, outputsOf } from './stacks.ts';

await program(async (stage = '') => print(outputsOf(await existingStacks(new CloudFormationClient({}), stage))));
