/** Once for all browser tests: a tiny model, trained on the project's own story. */
import { access, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { CORPUS, SITE, program, trainTiny } from './programs.ts';

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
  const folder = await mkdtemp(join(tmpdir(), 'site-test-'));
  const store = join(folder, 'store');
  await trainTiny(CORPUS, store);
  project.provide('store', store);
  return () => rm(folder, { recursive: true, force: true });
}
