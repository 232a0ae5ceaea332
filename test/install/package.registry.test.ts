import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { canInstall } from './machine.ts';
import { type PackageTrial, tryPackages } from './package-trial.ts';

const MINUTE_MS = 60_000;

it.runIf(canInstall('test/install/package.registry.test.ts'))(
  'both packages, installed in an empty folder: a strict program compiles, and prints rows on the Node of the machine',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tidemark-packages-'));
    let trial: PackageTrial;
    try {
      trial = await tryPackages({ folder, nodes: ['own'], say: () => {} });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
    expect(trial.tarballs.map(({ name }) => name)).toEqual([
      expect.stringMatching(/^tidemark-\d/),
      expect.stringMatching(/^tidemark-client-\d/),
    ]);
    expect(trial.printed).toHaveLength(1);
    for (const { output } of trial.printed) expect(output).toMatch(/origin: 'SAN'[\s\S]*delay: 25/);
    expect(trial.scanned).toContain('"destination":"LAX"');
  },
  5 * MINUTE_MS,
);
