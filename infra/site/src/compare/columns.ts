import { Client } from '../api/client.ts';
import type { Config } from '../api/config.ts';
import type { Manifest, ModelInfo, ModelRef, ModelState } from '../api/types.ts';

/** All that an API tells about a model that it has loaded. */
export interface Served {
  readonly model: ModelRef;
  readonly info: ModelInfo;
  readonly manifest: Manifest;
  readonly curve: ModelState['curve'];
  readonly start: ModelState['start'];
}

/** What `state` tells, if there is a model. */
export function served(state: ModelState | null): Served | null {
  if (!state?.model || !state.model_info || !state.manifest) return null;
  const { model, model_info: info, manifest, curve, start } = state;
  return { model, info, manifest, curve, start };
}

/** Whether both are the same version, stored in the same way. */
export function isSame(a: ModelRef, b: ModelRef): boolean {
  return a.name === b.name && a.version === b.version && a.precision === b.precision;
}

/** The APIs that `config` names beside that of `own`, each once. */
export function otherClients(own: Client, config: Config): Client[] {
  const known = new Set([absolute(own.base)]);
  const others = config.compare.filter((base) => {
    const isNew = !known.has(absolute(base));
    known.add(absolute(base));
    return isNew;
  });
  return others.map((base) => new Client(base));
}

/** An API's address in full. */
export function absolute(base: string): string {
  return new URL(base || '.', document.baseURI).href.replace(/\/+$/, '');
}

/** A name for each column: that of its model, with what tells it apart where two are called alike. */
export function columnNames(models: readonly (Served | null)[], bases: readonly string[]): string[] {
  const tries: ((served: Served) => string)[] = [
    ({ model }) => model.name,
    ({ model }) => `${model.name} ${model.precision}`,
    // Versions end with a hash of what they consist of.
    ({ model }) => `${model.name} ${model.version.split('-').at(-1)}`,
    ({ model }) => `${model.name} ${model.version}`,
  ];
  return models.map((model, column) => {
    const address = (bases[column] ?? '').replace(/^https?:\/\//, '');
    if (!model) return address;
    const isUnique = (name: (served: Served) => string) =>
      models.every((other, index) => index === column || !other || name(other) !== name(model));
    return tries.find(isUnique)?.(model) ?? `${model.model.name} at ${address}`;
  });
}
