import { Client } from '../api/client.ts';
import type { Config } from '../api/config.ts';
import type { LoadedModel } from '../api/loaded-model.ts';
import type { ModelRef } from '../api/types.ts';

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

/** A name for each column: that of its model, with precision, version or address where that is not unique. */
export function columnNames(models: readonly (LoadedModel | null)[], bases: readonly string[]): string[] {
  const tries: ((model: LoadedModel) => string)[] = [
    ({ model }) => model.name,
    ({ model }) => `${model.name} ${model.precision}`,
    // Versions end with a hash of what they consist of.
    ({ model }) => `${model.name} ${model.version.split('-').at(-1)}`,
    ({ model }) => `${model.name} ${model.version}`,
  ];
  return models.map((model, column) => {
    const address = (bases[column] ?? '').replace(/^https?:\/\//, '');
    if (!model) return address;
    const isUnique = (name: (model: LoadedModel) => string) =>
      models.every((other, index) => index === column || !other || name(other) !== name(model));
    return tries.find(isUnique)?.(model) ?? `${model.model.name} at ${address}`;
  });
}
