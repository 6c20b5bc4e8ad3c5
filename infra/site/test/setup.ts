/** Global setup of the browser tests: a tiny model, trained on the project's own story. */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { CORPUS, SITE, program, temporaryFolder, trainTiny } from './programs.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The store with the tiny model. */
    store: string;
  }
}

export default async function setup(project: TestProject) {
  for (const needed of [program('gpt'), program('generate'), join(SITE, 'index.html')]) {
    await access(needed).catch(() => {
      throw new Error(`there is no ${needed}; build the programs (cargo build --release --bins) and the page (npm run build)`);
    });
  }
  const folder = await temporaryFolder();
  const store = join(folder.path, 'store');
  await trainTiny(CORPUS, store);
  project.provide('store', store);
  return () => folder.remove();
}
