/**
 * Deployment settings of the stages `dev` and `prod`; `settings/` has each group with its defaults and checks.
 *
 * With the defaults, an idle deployment costs its storage only. `cdk deploy -c stage=NAME` deploys a stage; an
 * invalid setting ends the synthesis with a message that names it.
 */
import { z } from 'zod';
import { alarms } from './settings/alarms.ts';
import { serving } from './settings/serving.ts';
import { site } from './settings/site.ts';
import { storage } from './settings/storage.ts';
import { training } from './settings/training.ts';

const schema = z
  .strictObject({
    /** AWS account of the stage; credentials of another one are refused. `null` for any. */
    account: z.string().regex(/^\d{12}$/, 'expected 12 digits').nullable().default(null),
    /** AWS region of the stage, likewise. */
    region: z.string().regex(/^[a-z]+(-[a-z]+)+-\d$/, 'expected a region such as eu-west-1').nullable().default(null),
    storage: storage.prefault({}),
    serving: serving.prefault({}),
    training: training.prefault({}),
    site: site.prefault({}),
    alarms: alarms.prefault({}),
  })
  .superRefine(({ region, storage, training }, context) => {
    if (storage.disposable && training.signingKey === 'create') {
      const message = 'a key that the stage makes outlives it, and storage.disposable is set; expected null or an ARN';
      context.addIssue({ code: 'custom', path: ['training', 'signingKey'], message });
    }
    const regionOfKey = training.signingKey?.split(':')[3];
    if (region === null || regionOfKey === undefined || regionOfKey === region) return;
    const message = `the key is in ${regionOfKey}, and the stage in ${region}: expected a key of the stage's region`;
    context.addIssue({ code: 'custom', path: ['training', 'signingKey'], message });
  });

export type Settings = z.infer<typeof schema>;
export type SettingsInput = z.input<typeof schema>;

/** The stages. */
export const stages: Record<string, SettingsInput> = {
  /** For experiments: every optional feature is off, and little is allowed. */
  dev: {},
  /** Retrains weekly from the served model, prunes the store, allows more requests, and deploys by a canary. */
  prod: {
    storage: { prune: { cron: '0 12 ? * SUN *', timeZone: 'Europe/Copenhagen' } },
    serving: { reservedConcurrency: 10, throttle: { rate: 10 }, apiKey: { requestsPerDay: 10_000 }, canary: {} },
    training: {
      start: 'current',
      schedule: { cron: '0 3 ? * SUN *', timeZone: 'Europe/Copenhagen' },
    },
    alarms: { modelAgeDays: 8, monthlyBudgetUsd: 50 },
  },
};

/** Checks settings and fills in the defaults; `stage` is for error messages. */
export function parseSettings(stage: string, input: unknown): Settings {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `  ${[stage, ...issue.path].join('.')}: ${issue.message}`);
  throw new Error(`bad settings in infra/settings.ts:\n${problems.join('\n')}`);
}

/** Settings of a stage. */
export function settingsOf(stage: string): Settings {
  const input = Object.hasOwn(stages, stage) ? stages[stage] : undefined;
  if (input === undefined) {
    throw new Error(`there is no stage ${stage} in infra/settings.ts, which has ${Object.keys(stages).join(', ')}`);
  }
  return parseSettings(stage, input);
}
