import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    alias: { '@aws-sdk/client-s3': fileURLToPath(new URL('test/fixtures/client-s3.mjs', import.meta.url)) },
    include: ['test/*.test.ts'],
    // Making templates takes a second or two, and more on a busy machine.
    testTimeout: 60_000,
    maxWorkers: 2,
    // The files of a worker share what they import: aws-cdk-lib takes seconds, and keeps nothing between apps.
    isolate: false,
    setupFiles: ['test/setup.ts'],
  },
});
