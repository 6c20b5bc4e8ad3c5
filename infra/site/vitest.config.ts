import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // Each file of browser tests has a browser and servers of its own.
    maxWorkers: 2,
    projects: [
      { test: { name: 'unit', include: ['src/**/*.test.ts'] } },
      {
        test: {
          name: 'browser',
          include: ['test/*.test.ts'],
          globalSetup: ['test/setup.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
