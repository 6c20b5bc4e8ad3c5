/** Entry point of the CDK app: `cdk deploy --all -c stage=NAME` deploys the stacks of a stage of `settings.ts`. */
import { App } from 'aws-cdk-lib';
import { applyContext } from '../lib/context.ts';
import { refuseOther } from '../lib/credentials.ts';
import { addStacks } from '../lib/stage.ts';
import { settingsOf } from '../settings.ts';

const app = new App();
const stage: unknown = app.node.tryGetContext('stage') ?? 'dev';
const settings = settingsOf(String(stage));
// The CDK sets them if there are credentials; templates are made without.
const { CDK_DEFAULT_ACCOUNT: account, CDK_DEFAULT_REGION: region } = process.env;
if (account && region) refuseOther(String(stage), { account, region });
applyContext(app.node, settings);
addStacks(app, String(stage), settings);
