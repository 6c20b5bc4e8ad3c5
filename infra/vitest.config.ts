import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/*.test.ts'],
    // Making templates takes a second or two, and more on a busy machine.
    testTimeout: 60_000,
    maxWorkers: 2,
  },
});
