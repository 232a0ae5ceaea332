/**
 * Every command block of README.md is run as it stands: against three sites started by the page's own `tidemark dev`,
 * in a folder that holds what a clone holds. Only what cannot run inside a test run is looked at instead: installing,
 * the test run itself, and Docker, which `npm run cluster` runs.
 */

import { execFile, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEMO_REPORT } from './demo-report.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const MINUTE_MS = 60_000;
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

const COMMANDS = [...read('README.md').matchAll(/^```sh\n([\s\S]*?)^```/gm)].flatMap((match) =>
  match[1]!.trim().split('\n'),
);
/** What is run elsewhere: the file, and what must stand in it. */
const ELSEWHERE: Readonly<Record<string, readonly [file: string, ...words: string[]]>> = {
  'npm test': ['.ci/run', 'npm test'],
  'npm run demo': ['test/install/clone.registry.test.ts', 'npm run --silent demo'],
  'docker compose up --build --wait': ['test/cluster/docker.ts', "compose('up')", "'--build'", "'--wait'"],
  'docker network disconnect tidemark_between-sites tidemark-quito-1': [
    'test/cluster/docker.ts',
    "'network', 'disconnect'",
  ],
  'docker network connect --alias quito tidemark_between-sites tidemark-quito-1': [
    'test/cluster/docker.ts',
    "'network', 'connect', '--alias'",
  ],
};
const DEV = 'npx tidemark dev';
/** The demo at the size that fits a test run. */
const DEMO = /^npm run demo/;

const demos = COMMANDS.filter((command) => DEMO.test(command) && !(command in ELSEWHERE));
const others = COMMANDS.filter((command) => !(command in ELSEWHERE) && command !== DEV && !DEMO.test(command));

describe('README', () => {
  let folder: string;
  let stopDev: () => Promise<void> = async () => {};
  const env = { ...process.env, PATH: `${join(ROOT, 'node_modules/.bin')}:${process.env.PATH}` };
  const bash = async (command: string): Promise<string> => {
    const { stdout } = await promisify(execFile)('bash', ['-ec', command], {
      cwd: folder,
      env,
      timeout: 3 * MINUTE_MS,
    });
    return stdout;
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tidemark-readme-'));
    for (const name of ['package.json', 'node_modules', 'examples', 'packages', 'services']) {
      await symlink(join(ROOT, name), join(folder, name));
    }
  });
  afterAll(async () => {
    await stopDev();
    await rm(folder, { recursive: true, force: true });
  });

  it('has commands, and those that no test can run are run elsewhere', () => {
    expect(demos).toHaveLength(1);
    expect(others.length).toBeGreaterThan(7);
    for (const [command, [file, ...words]] of Object.entries(ELSEWHERE)) {
      expect(COMMANDS).toContain(command);
      for (const word of words) expect(read(file)).toContain(word);
    }
  });

  it(
    DEV,
    async () => {
      expect(COMMANDS).toContain(DEV);
      const dev = spawn('bash', ['-ec', `exec ${DEV}`], {
        cwd: folder,
        env,
        stdio: ['ignore', 'pipe', 'inherit'],
        detached: true,
      });
      const ended = new Promise<void>((resolve) => dev.once('exit', () => resolve()));
      stopDev = async () => {
        process.kill(-dev.pid!, 'SIGINT');
        await ended;
      };
      let output = '';
      dev.stdout.on('data', (chunk) => {
        output += chunk;
      });
      while (!output.includes('http://127.0.0.1:7430') && dev.exitCode === null) await sleep(50);
      expect(output).toContain('http://127.0.0.1:7410');
    },
    2 * MINUTE_MS,
  );

  for (const command of others) {
    it(
      command,
      async () => {
        const output = await bash(command);
        expect(output.trim()).not.toBe('');
        if (command.startsWith('curl')) expect(output).not.toContain('"kind":"');
      },
      2 * MINUTE_MS,
    );
  }

  for (const command of demos) {
    it(
      `${command} (at a size that fits)`,
      async () => {
        const flags = `${command.includes(' -- ') ? '' : ' --'} --fast --json`;
        const report = JSON.parse(
          (await bash(`${command.replace('npm run', 'npm run --silent')}${flags}`)).trim().split('\n').at(-1)!,
        );
        expect(report).toMatchObject(DEMO_REPORT);
      },
      3 * MINUTE_MS,
    );
  }
});
