/** This machine as a stranger's: its own Node and npm, and nothing that this clone or this test run brought. */

import { execFile, spawnSync } from 'node:child_process';
import { delimiter, sep } from 'node:path';
import { promisify } from 'node:util';

const TIMEOUT_MS = 240_000;
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;
/** What npm and vitest tell those they start. */
const OURS = /^(?:npm_|VITEST|NODE_OPTIONS$|NODE_COMPILE_CACHE$|NODE_ENV$|TEST$|INIT_CWD$|TIDEMARK_)/i;
const BROUGHT = `${sep}node_modules${sep}`;

/** The environment of a shell in which nobody has run npm yet. */
export function machineEnv(): NodeJS.ProcessEnv {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !OURS.test(name)));
  const folders = (process.env.PATH ?? '').split(delimiter);
  return { ...env, PATH: folders.filter((folder) => !`${folder}${sep}`.includes(BROUGHT)).join(delimiter) };
}

/** Runs a shell's line as a stranger would. @throws with all it said, when it fails */
export async function shell(line: string, folder: string): Promise<{ stdout: string; stderr: string }> {
  const options = { cwd: folder, env: machineEnv(), timeout: TIMEOUT_MS, maxBuffer: OUTPUT_BYTES_MAX };
  return promisify(execFile)('bash', ['-ec', line], options).catch((error: { stdout?: string; stderr?: string }) => {
    throw new Error(`${line}: failed\n${error.stdout ?? ''}${error.stderr ?? ''}`, { cause: error });
  });
}

/** Why nothing can be installed here, or null. */
export function registryObstacle(): string | null {
  const args = ['view', 'typescript', 'name', '--fetch-retries=0', '--fetch-timeout=20000'];
  const { status, stderr } = spawnSync('npm', args, { env: machineEnv(), encoding: 'utf8' });
  if (status === 0) return null;
  return `no package registry is reachable: ${stderr?.split('\n', 1)[0] || 'npm could not be started'}`;
}

/**
 * Said loudly where nothing can be installed, and a failure where everything has to be run.
 * @returns true when the tests of the file can run
 */
export function canInstall(file: string): boolean {
  const obstacle = registryObstacle();
  if (obstacle === null) return true;
  const message = `!!! NOT RUN: ${file}: ${obstacle}`;
  if (process.env.CI === 'true') throw new Error(message);
  process.stderr.write(`\n${message}\n`);
  return false;
}
