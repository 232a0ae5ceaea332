import { defineConfig } from 'vitest/config';

const NEEDS_SERVICES = ['**/*.kafka.test.ts', '**/*.redis.test.ts', 'test/cluster/**/*.test.ts'];

// `viteModuleRunner: false`: Node loads the files itself, as in production.
export default defineConfig({
  test: {
    experimental: { viteModuleRunner: false },
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['**/*.test.ts'],
          exclude: [...NEEDS_SERVICES, '**/node_modules/**'],
          isolate: false,
          testTimeout: 30_000,
        },
      },
    ],
  },
});
