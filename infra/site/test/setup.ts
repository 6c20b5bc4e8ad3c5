/** Global setup of the browser tests: a tiny model, trained on the project's own story, and one of another text. */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { CORPUS, SITE, program, temporaryFolder, trainOnTides, trainTiny } from './programs.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The store with the tiny model. */
    store: string;
    /** The store with another one, `tides`. */
    tides: string;
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
  project.provide('tides', await trainOnTides(folder.path));
  return () => folder.remove();
}
