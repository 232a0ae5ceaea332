import { defineConfig } from 'vitest/config';
import { ClosingLine } from './test/closing-line.ts';
import { missingLanes, serviceFiles } from './test/lanes.ts';

/** Packs, clones and installs, which has a machine busy for half a minute; the files look for a registry themselves. */
const INSTALLING = '**/*.registry.test.ts';
const needsServices = serviceFiles();
const missing = missingLanes().map(({ files }) => files);

// `viteModuleRunner: false`: Node loads the files itself, as in production.
export default defineConfig({
  test: {
    experimental: { viteModuleRunner: false },
    reporters: ['default', new ClosingLine()],
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['**/*.test.ts'],
          exclude: [...needsServices, ...missing, INSTALLING, '**/node_modules/**'],
          isolate: false,
          testTimeout: 30_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'services',
          include: needsServices,
          exclude: [...missing, '**/node_modules/**'],
          pool: 'forks',
          maxWorkers: 1,
          testTimeout: 60_000,
          hookTimeout: 60_000,
          globalSetup: ['test/services.ts'],
          setupFiles: ['test/services-ready.ts'],
          // `test/run.ts` has it run beside the unit lane; a run of all in one goes from lane to lane.
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'install',
          include: [INSTALLING],
          pool: 'forks',
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
