/** Check of credentials against the account and region that a stage names: wrong ones make no second `prod`. */
import { stages } from '../settings.ts';

/** Throws if the settings of a stage name another account or region. */
export function refuseOther(stage: string, found: { account: string; region: string }): void {
  const wanted = Object.hasOwn(stages, stage) ? stages[stage] : undefined;
  for (const what of ['account', 'region'] as const) {
    const expected = wanted?.[what] ?? found[what];
    if (expected === found[what]) continue;
    throw new Error(
      `stage ${stage} belongs to ${what} ${expected} (infra/settings.ts), and this is ${what} ${found[what]}; ` +
        'set AWS_PROFILE or AWS_REGION, or sign in to the other one',
    );
  }
}
