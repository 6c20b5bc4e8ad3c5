/** Test support: what CloudFormation would refuse of an update, found by comparing templates. */
import { spawnSync } from 'node:child_process';
import { isDeepStrictEqual } from 'node:util';

interface Resource {
  readonly Type: string;
  readonly Properties?: Record<string, unknown>;
  readonly DeletionPolicy?: string;
}

export interface Template {
  readonly Resources: Record<string, Resource>;
  readonly Outputs?: Record<string, { Value: unknown; Export?: { Name: string } }>;
}

/** Templates by the names of their stacks, in the order in which they are deployed. */
export type Templates = Record<string, Template>;

/** Properties that no resource changes, by its type: it is replaced instead. */
export type CreateOnly = Record<string, string[]>;

/** As the schemas of CloudFormation say, of which cfn-lint has a copy; `undefined` without cfn-lint. */
export function createOnly(types: string[]): CreateOnly | undefined {
  const { status, stdout } = spawnSync('python', ['-c', CREATE_ONLY, ...types], { encoding: 'utf8' });
  return status === 0 ? JSON.parse(stdout) : undefined;
}

const CREATE_ONLY = `
import json, sys
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER
schemas = {name: PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", name).schema for name in sys.argv[1:]}
names = {name: schema.get("createOnlyProperties", []) for name, schema in schemas.items()}
print(json.dumps({name: [path.split("/")[2] for path in paths] for name, paths in names.items()}))
`;

/** What would be refused if the stacks are deployed one after the other; stacks that are in `before` alone stay. */
export function refused(before: Templates, after: Templates, createOnlyOf: CreateOnly = {}): string[] {
  const deployed = { ...before };
  const problems: string[] = [];
  for (const [stack, template] of Object.entries(after)) {
    for (const [producer, output] of read(template)) {
      if (deployed[producer]?.Outputs?.[output] === undefined) {
        problems.push(`${stack} reads the output ${output} of ${producer}, which has none`);
      }
    }
    const old = deployed[stack];
    deployed[stack] = template;
    if (old === undefined) continue;
    for (const [name, value] of exported(old)) {
      const users = Object.entries(deployed).filter(([user, it]) => user !== stack && imported(it).includes(name));
      const [user] = users[0] ?? [];
      if (user && !isDeepStrictEqual(exported(template).get(name), value)) {
        problems.push(`${stack} changes the export ${name}, which ${user} imports`);
      }
    }
    problems.push(...ofResources(old, template, createOnlyOf).map((problem) => `${stack}: ${problem}`));
  }
  return problems;
}

/** What holds something, and so must be found again. The role with which API Gateway writes logs is the account's. */
const HOLDS = ['AWS::S3::Bucket', 'AWS::ECR::Repository', 'AWS::KMS::Key'];

function ofResources(before: Template, after: Template, createOnlyOf: CreateOnly): string[] {
  const problems: string[] = [];
  for (const [id, old] of Object.entries(before.Resources)) {
    const resource = after.Resources[id];
    if (resource === undefined) {
      if (isKept(old)) problems.push(`${id} is kept, and nothing finds it again`);
      continue;
    }
    if (resource.Type !== old.Type) {
      problems.push(`${id} was of the type ${old.Type}, and is of ${resource.Type}`);
      continue;
    }
    const fixed = createOnlyOf[old.Type] ?? [];
    const [one, other] = [old.Properties ?? {}, resource.Properties ?? {}];
    const changed = fixed.filter((name) => !isDeepStrictEqual(one[name], other[name]));
    if (changed.length === 0) continue;
    if (isKept(old)) problems.push(`${id} is kept, and replaced by a change of ${changed.join()}`);
    if (haveOneName(old, resource, fixed)) {
      problems.push(`${id} is replaced by a change of ${changed.join()}, by one of the same name`);
    }
  }
  // What is new is made before what is no longer there is deleted.
  const gone = Object.entries(before.Resources).filter(([id]) => after.Resources[id] === undefined);
  for (const [id, resource] of Object.entries(after.Resources)) {
    if (before.Resources[id] !== undefined) continue;
    const fixed = createOnlyOf[resource.Type] ?? [];
    const same = ([, old]: [string, Resource]) =>
      old.Type === resource.Type && haveOneName(old, resource, fixed);
    const [twin] = gone.find(same) ?? [];
    if (twin) problems.push(`${id} has the name that ${twin} has until it is deleted`);
  }
  return problems;
}

function isKept({ Type, DeletionPolicy }: Resource): boolean {
  return DeletionPolicy === 'Retain' && HOLDS.includes(Type);
}

/** Whether two resources have one name that the template gives them, which an account cannot have twice. */
function haveOneName(one: Resource, other: Resource, fixed: string[]): boolean {
  const all = fixed.filter((property) => /Name$/.test(property));
  const given = all.some((property) => typeof one.Properties?.[property] === 'string');
  // Also those of what it belongs to: an alias has its name within its function.
  return given && all.every((property) => isDeepStrictEqual(one.Properties?.[property], other.Properties?.[property]));
}

function exported({ Outputs = {} }: Template): Map<string, unknown> {
  return new Map(Object.values(Outputs).flatMap(({ Value, Export }) => (Export ? [[Export.Name, Value]] : [])));
}

function imported(template: Template): string[] {
  return intrinsics(template, 'Fn::ImportValue') as string[];
}

/** `[stack, output]` of each weak reference. */
function read(template: Template): [string, string][] {
  const references = intrinsics(template, 'Fn::GetStackOutput') as { StackName: string; OutputName: string }[];
  return references.map(({ StackName, OutputName }) => [StackName, OutputName]);
}

function intrinsics(template: Template, name: string): unknown[] {
  const found: unknown[] = [];
  JSON.stringify(template, (key, value) => {
    if (key === name) found.push(value);
    return value;
  });
  return found;
}
