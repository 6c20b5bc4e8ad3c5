/** Entry point of the CDK app: `cdk deploy --all -c stage=NAME` deploys the stacks of a stage of `settings.ts`. */
import { App } from 'aws-cdk-lib';
import { addStacks } from '../lib/stage.ts';
import { settingsOf } from '../settings.ts';

const app = new App();
const stage: unknown = app.node.tryGetContext('stage') ?? 'dev';
const settings = settingsOf(String(stage));
// `-c zip=PATH` takes the place of the setting.
const zip: unknown = app.node.tryGetContext('zip');
if (zip !== undefined) settings.serving.zip = String(zip);
addStacks(app, String(stage), settings);
