/**
 * Context values of the app (`cdk -c NAME=VALUE`), which take the place of settings in one deployment: what
 * scripts/deploy.sh finds out, or what its caller wants this once.
 */
import type { Node } from 'constructs';
import { email } from '../settings/alarms.ts';
import type { Settings } from '../settings.ts';

const DIGEST = /^sha256:[0-9a-f]{64}$/;

type Effects = Record<string, { expected: string; apply: (settings: Settings, value: string) => boolean }>;

/** What each value does to the settings; false if it is no such value. */
const EFFECTS: Effects = {
  zip: {
    expected: 'the path of a zip or folder',
    apply: ({ serving }, value) => {
      serving.zip = value;
      return value !== '';
    },
  },
  // Deploys at once, whatever alarms say.
  canary: {
    expected: 'off',
    apply: ({ serving }, value) => {
      serving.canary = null;
      return value === 'off';
    },
  },
  email: {
    expected: 'an e-mail address, or none',
    apply: ({ alarms }, value) => {
      const parsed = email.safeParse(value);
      if (parsed.success) alarms.email = parsed.data;
      return parsed.success;
    },
  },
  // A digest always is the same image; a tag can be moved.
  trainingImage: {
    expected: 'the digest of an image, sha256: and 64 digits of 0-9 a-f',
    apply: ({ training }, value) => {
      training.imageTag = value;
      return DIGEST.test(value);
    },
  },
  functionImage: {
    expected: 'the digest of an image, sha256: and 64 digits of 0-9 a-f',
    apply: ({ serving }, value) => {
      serving.imageTag = value;
      return DIGEST.test(value);
    },
  },
  // An account has one role with which API Gateway writes logs.
  apiGatewayLogRole: {
    expected: 'existing',
    apply: ({ serving }, value) => {
      serving.apiGatewayLogRole = 'existing';
      return value === 'existing';
    },
  },
};

/**
 * Changes settings by the app's context.
 *
 * @throws If a value is wrong, or if nobody says who gets the alarms.
 */
export function applyContext(node: Node, settings: Settings): void {
  for (const [name, { expected, apply }] of Object.entries(EFFECTS)) {
    const value: unknown = node.tryGetContext(name);
    if (value === undefined) continue;
    if (!apply(settings, String(value))) throw new Error(`-c ${name}=${value}: expected ${expected}`);
  }
  if (settings.alarms.email === null) {
    throw new Error(
      'alarms.email: nobody is told of alarms; expected an address in infra/settings.ts or as `-c email=ADDRESS`, ' +
        'or `-c email=none`',
    );
  }
}
