/** Test support: stacks from settings, as `cdk synth` makes them, and helpers to read their policies. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { PROJECT_FOLDER } from '../lib/paths.ts';
import type { Stacks } from '../lib/stacks.ts';
import { addStacks } from '../lib/stage.ts';
import { parseSettings, type SettingsInput, stages } from '../settings.ts';
import { newFolder } from './folders.ts';

/** Stand in for what is built elsewhere. */
export const FUNCTION_ZIP = 'test/fixtures/function';
export const SITE_FOLDER = 'test/fixtures/site';

export type StackName = keyof Stacks;
type Templates = Record<StackName, Template>;

export function newApp(): App {
  const { context } = JSON.parse(readFileSync(join(PROJECT_FOLDER, 'cdk.json'), 'utf8'));
  return new App({ context, outdir: newFolder() });
}

/** With the stand-ins where the settings name nothing else. */
export function addTestStacks(app: App, input: SettingsInput): Stacks {
  const settings = parseSettings('test', {
    ...input,
    serving: { zip: FUNCTION_ZIP, ...input.serving },
    site: { directory: SITE_FOLDER, ...input.site },
  });
  return addStacks(app, 'test', settings);
}

/** Fails if cdk-nag finds something that is not acknowledged. */
export function synthesize(input: SettingsInput = {}): Templates {
  const app = newApp();
  const stacks = addTestStacks(app, input);
  app.synth();
  const templates = Object.entries(stacks).map(([name, stack]) => [name, Template.fromStack(stack)]);
  return Object.fromEntries(templates);
}

export function synthesizeStage(stage: string): Templates {
  return synthesize(stages[stage]);
}

export interface Statement {
  Sid?: string;
  Effect: 'Allow' | 'Deny';
  Action: string | string[];
  Resource: unknown;
  Principal?: unknown;
  Condition?: unknown;
}

/** Statements of the policies attached to the role with this logical id (without its hash). */
export function statementsOf(template: Template, role: string): Statement[] {
  const attached = Object.values(template.findResources('AWS::IAM::Policy')).filter(({ Properties }) =>
    Properties.Roles.some(({ Ref }: { Ref: string }) => new RegExp(`^${role}[0-9A-F]{8}$`).test(Ref)),
  );
  if (attached.length === 0) throw new Error(`no policy is attached to ${role}`);
  return attached.flatMap(({ Properties }) => Properties.PolicyDocument.Statement);
}

/** Every statement of every policy of every kind in a template. */
export function allStatements(template: Template): Statement[] {
  const found: Statement[] = [];
  JSON.stringify(template.toJSON(), (key, value) => {
    if (key === 'Statement' && Array.isArray(value)) found.push(...value);
    return value;
  });
  return found;
}

/** `value`, or its elements. */
export function listed<T>(value: T | T[]): T[] {
  return Array.isArray(value) ? value : [value];
}

/** A resource as a person would write it: `<Artifacts>/models/*` for what is of another stack. */
export function readable(resource: unknown): string {
  if (typeof resource === 'string') return resource;
  const [[intrinsic, argument]] = Object.entries(resource as Record<string, unknown>) as [[string, never]];
  switch (intrinsic) {
    case 'Fn::Join':
      return (argument[1] as unknown[]).map(readable).join('');
    case 'Fn::GetStackOutput': {
      const { OutputName } = argument as { OutputName: string };
      return `<${/Output(?:FnGetAtt|Ref)(.+?)[0-9A-F]{8}/.exec(OutputName)?.[1]}>`;
    }
    case 'Fn::GetAtt':
      return `<${(argument[0] as string).replace(/[0-9A-F]{8}$/, '')}>`;
    case 'Ref':
      return `<${(argument as string).replace(/[0-9A-F]{8}$/, '')}>`;
    default:
      return JSON.stringify(resource);
  }
}

/** A statement in one line of each kind, in a fixed order. */
export function summary({ Action, Resource }: Statement): { actions: string[]; resources: string[] } {
  return { actions: listed(Action).toSorted(), resources: listed(Resource).map(readable).toSorted() };
}
