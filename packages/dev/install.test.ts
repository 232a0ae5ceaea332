/** The script runs here as in a clone, beside an npm that only notes what it was asked for. */

import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const SCRIPT = fileURLToPath(new URL('install.js', import.meta.url));
const OLD = new Date('2026-01-01T00:00:00Z');
const NEW = new Date('2026-01-02T00:00:00Z');
/** Notes its arguments, and ends as it is told. */
const NPM = `require('node:fs').writeFileSync('asked', process.argv.slice(2).join(' '));
console.log('chatter');
process.exit(Number(process.env.NPM_STATUS));`;

type Entries = Readonly<Record<string, { readonly version: string; readonly optional?: boolean }>>;
const ONE: Entries = { 'node_modules/one': { version: '1.0.0' } };

let folder: string;
const put = (path: string, text: string, at: Date): void => {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
  utimesSync(join(folder, path), at, at);
};
const putLock = (packages: Entries, at: Date): void =>
  put('package-lock.json', JSON.stringify({ packages: { '': { version: '0.1.0' }, ...packages } }), at);
const putInstalled = (packages: Entries, at: Date): void =>
  put('node_modules/.package-lock.json', JSON.stringify({ packages }), at);

function run(status = 0): { asked: string | null; status: number | null; stdout: string } {
  const env = { ...process.env, npm_execpath: join(folder, 'npm-cli.cjs'), NPM_STATUS: `${status}` };
  const ended = spawnSync(process.execPath, [join(folder, 'packages/dev/install.js')], { cwd: tmpdir(), env });
  const asked = join(folder, 'asked');
  return {
    asked: existsSync(asked) ? readFileSync(asked, 'utf8') : null,
    status: ended.status,
    stdout: String(ended.stdout),
  };
}

describe('install', () => {
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tidemark-install-'));
    put('npm-cli.cjs', NPM, OLD);
    put('package.json', '{"type":"module"}', OLD);
    mkdirSync(join(folder, 'packages/dev'), { recursive: true });
    copyFileSync(SCRIPT, join(folder, 'packages/dev/install.js'));
    putLock(ONE, NEW);
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('happens in a fresh clone, and leaves standard output to what comes after', () => {
    expect(run()).toMatchObject({ asked: expect.stringMatching(/^ci /), status: 0, stdout: '' });
  });

  it('happens where an earlier one did not come to its end', () => {
    put('node_modules/one/package.json', '{}', NEW);
    expect(run().asked).not.toBeNull();
  });

  it('does not happen when it has since the lock file was written', () => {
    putInstalled({}, NEW);
    expect(run()).toEqual({ asked: null, status: 0, stdout: '' });
  });

  it('does not happen when the lock file is newer and says the same', () => {
    putLock({ ...ONE, 'node_modules/elsewhere': { version: '1.0.0', optional: true } }, NEW);
    putInstalled(ONE, OLD);
    expect(run().asked).toBeNull();
  });

  it.each<[string, Entries]>([
    ['another version', { 'node_modules/one': { version: '1.0.1' } }],
    ['another version of an optional package', { 'node_modules/one': { version: '1.0.1', optional: true } }],
    ['one package more', { ...ONE, 'node_modules/two': { version: '1.0.0' } }],
  ])('happens when the newer lock file lists %s', (_, packages) => {
    putLock(packages, NEW);
    putInstalled(ONE, OLD);
    expect(run().asked).not.toBeNull();
  });

  it('ends what was asked for when npm fails', () => {
    expect(run(7).status).toBe(7);
  });
});

describe('the scripts of a fresh clone', () => {
  it('begin with it', () => {
    const { scripts } = JSON.parse(readFileSync(join(dirname(SCRIPT), '../../package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    for (const name of ['pretest', 'predemo']) expect(scripts[name]).toBe('node packages/dev/install.js');
  });

  it('are named by the command too, where nothing is installed: also as npx finds it', () => {
    const root = join(dirname(SCRIPT), '../..');
    const { bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { bin: { tidemark: string } };
    const clone = mkdtempSync(join(tmpdir(), 'tidemark-bare-'));
    const command = join(clone, bin.tidemark);
    const told = (): string => String(spawnSync(process.execPath, [command, 'status']).stderr);
    try {
      mkdirSync(dirname(command), { recursive: true });
      copyFileSync(join(root, bin.tidemark), command);
      for (const name of ['package.json', 'package-lock.json']) copyFileSync(join(root, name), join(clone, name));
      expect(told()).toMatch(/nothing is installed in this clone yet. Run "npm ci" first/);
      mkdirSync(join(clone, 'node_modules'));
      expect(told()).not.toContain('npm ci');
    } finally {
      rmSync(clone, { recursive: true });
    }
  });
});
