/** `cdk deploy --all -c stage=NAME`: the stacks of a stage of `settings.ts`. */
import { App } from 'aws-cdk-lib';
import { addStacks } from '../lib/stacks.ts';
import { settingsOf } from '../settings.ts';

const app = new App();
const stage: unknown = app.node.tryGetContext('stage') ?? 'dev';
const settings = settingsOf(String(stage));
// Another zip than the settings name: `-c zip=PATH`.
const zip: unknown = app.node.tryGetContext('zip');
if (zip !== undefined) settings.serving.zip = String(zip);
addStacks(app, String(stage), settings);
