/** Names of the stacks of a stage, and of what they refer to by name. */

/** In the order of creation: each refers to those before it. */
export const STACKS = ['Storage', 'Serving', 'Training', 'Observability', 'Site'] as const;

/** Name of a stack in CloudFormation. */
export function stackName(stage: string, stack: (typeof STACKS)[number]): string {
  return `TroelsLLM-${stage}-${stack}`;
}

/** Name of the topic of a stage's alarms: stacks that come before it name it. */
export function alarmTopicName(stage: string): string {
  return `TroelsLLM-${stage}-Alarms`;
}

/** The part of a name that differs between the stacks of a stage; `undefined` for a stack of another stage. */
export function stackOf(stage: string, name: string): string | undefined {
  const prefix = `TroelsLLM-${stage}-`;
  const stack = name.slice(prefix.length);
  // With a hyphen it is of a stage whose name begins with this one's.
  return name.startsWith(prefix) && /^[A-Za-z0-9]+$/.test(stack) ? stack : undefined;
}
