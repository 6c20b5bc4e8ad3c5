/** Entry point of the CDK app: `cdk deploy --all -c stage=NAME` deploys the stacks of a stage of `settings.ts`. */
import { App } from 'aws-cdk-lib';
import { refuseOther } from '../lib/credentials.ts';
import { addStacks } from '../lib/stage.ts';
import { settingsOf } from '../settings.ts';

const app = new App();
const stage: unknown = app.node.tryGetContext('stage') ?? 'dev';
const settings = settingsOf(String(stage));
// The CDK sets them if there are credentials; templates are made without.
const { CDK_DEFAULT_ACCOUNT: account, CDK_DEFAULT_REGION: region } = process.env;
if (account && region) refuseOther(String(stage), { account, region });
// `-c zip=PATH` takes the place of the setting.
const zip: unknown = app.node.tryGetContext('zip');
if (zip !== undefined) settings.serving.zip = String(zip);
// `-c canary=off` deploys at once, whatever alarms say.
const canary: unknown = app.node.tryGetContext('canary');
if (canary === 'off') settings.serving.canary = null;
else if (canary !== undefined) throw new Error(`-c canary=${canary}: expected off`);
addStacks(app, String(stage), settings);
