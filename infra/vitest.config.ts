import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    alias: Object.fromEntries(
      ['client-s3', 'client-lambda', 'client-codedeploy'].map((name) => [
        `@aws-sdk/${name}`,
        fileURLToPath(new URL(`test/fixtures/${name}.mjs`, import.meta.url)),
      ]),
    ),
    // Those in `local` run the real programs, which scripts/test_infra.sh has.
    include: ['test/*.test.ts', ...(process.env.PROGRAMS ? ['test/local/*.test.ts'] : [])],
    // Making templates takes a second or two, and more on a busy machine.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    // The files of a worker share what they import: aws-cdk-lib takes seconds, and keeps nothing between apps.
    isolate: false,
    setupFiles: ['test/setup.ts'],
  },
});
