import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['src/**/*.test.ts'] } },
      {
        test: {
          name: 'browser',
          include: ['test/*.test.ts'],
          globalSetup: ['test/setup.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          // Each file has a browser and servers of its own.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
