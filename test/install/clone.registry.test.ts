/** README's first commands, in a clone in which nothing was ever installed, on the Node that the machine has. */

import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEMO_REPORT } from '../cluster/demo-report.ts';
import { canInstall, shell } from './machine.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const MINUTE_MS = 60_000;
/** Enough for a run of the tests to be one. */
const ONE_FILE = 'packages/model/nearest.test.ts';

describe.runIf(canInstall('test/install/clone.registry.test.ts'))('a fresh clone', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tidemark-clone-'));
    await shell(`git clone --quiet --depth 1 'file://${ROOT}' clone`, folder);
    expect(existsSync(join(folder, 'clone/node_modules'))).toBe(false);
  }, MINUTE_MS);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it(
    'npm test installs, checks and runs tests',
    async () => {
      const { stdout, stderr } = await shell(`npm test -- ${ONE_FILE}`, join(folder, 'clone'));
      expect(stderr).toContain('node_modules is missing: npm ci');
      expect(stdout.trim().split('\n').at(-1)).toMatch(/^[1-9]\d* passed, 0 failed$/);
    },
    5 * MINUTE_MS,
  );

  it(
    'npm run demo then installs nothing again, loses a site and nothing that was acked',
    async () => {
      const line = 'npm run --silent demo -- --fast --json';
      const { stdout, stderr } = await shell(line, join(folder, 'clone'));
      expect(stderr).not.toContain('npm ci');
      expect(JSON.parse(stdout)).toMatchObject(DEMO_REPORT);
    },
    5 * MINUTE_MS,
  );
});
