/** The Docker commands of the cluster lane: one compose project of its own, each command with an end. */

import { type SpawnOptions, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Fault } from '@tidemark/platform/fault';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Not the name of a cluster that someone may have running: what is torn down here is only ever ours. */
const PROJECT = 'tidemark-cluster';
const NETWORK = `${PROJECT}_between-sites`;

const BUILD_AND_START_MS_MAX = 900_000;
const HEALTHY_SECONDS_MAX = 420;
const COMMAND_MS_MAX = 60_000;
const DOWN_MS_MAX = 180_000;

/**
 * Builds the image and starts the three sites; they are healthy when this resolves.
 * @throws {Fault} `unavailable`: no Docker, a port in use, or a service that does not become healthy.
 */
export async function composeUp(signal: AbortSignal): Promise<void> {
  const options = ['--build', '--wait', '--wait-timeout', String(HEALTHY_SECONDS_MAX), '--quiet-pull'];
  await docker([...compose('up'), ...options], BUILD_AND_START_MS_MAX, signal);
}

/** Removes everything the project has: containers, networks, volumes. Not to be interrupted. */
export async function composeDown(): Promise<void> {
  await docker([...compose('down'), '--volumes', '--remove-orphans', '--timeout', '10'], DOWN_MS_MAX);
}

/** The end of every container's output, to standard error. */
export async function composeLogs(): Promise<void> {
  await docker([...compose('logs'), '--no-color', '--tail', '40'], COMMAND_MS_MAX);
}

/** Takes a whole site off the network between the sites. */
export async function cutSite(site: string): Promise<void> {
  await docker(['network', 'disconnect', NETWORK, `${PROJECT}-${site}-1`], COMMAND_MS_MAX);
}

/** Gives it back. */
export async function healSite(site: string): Promise<void> {
  await docker(['network', 'connect', '--alias', site, NETWORK, `${PROJECT}-${site}-1`], COMMAND_MS_MAX);
}

/** Kills a site's broker, its Redis and its Tidemark with −9, all at once. */
export async function killSite(site: string): Promise<void> {
  await docker(['kill', '--signal', 'KILL', ...containersOf(site)], COMMAND_MS_MAX);
}

/** Starts them again, with the volumes they had. */
export async function startSite(site: string): Promise<void> {
  await docker(['start', ...containersOf(site)], COMMAND_MS_MAX);
}

function containersOf(site: string): string[] {
  return ['kafka', 'redis', 'tidemark'].map((part) => `${PROJECT}-${site}-${part}-1`);
}

function compose(command: string): string[] {
  return ['compose', '--project-name', PROJECT, '--progress', 'plain', command];
}

function docker(args: readonly string[], msMax: number, signal?: AbortSignal): Promise<void> {
  return run('docker', args, msMax, signal);
}

/**
 * Runs a program to its end, its output on standard error.
 * @throws {Fault} `unavailable`: it is not there, ended with another code than 0, or took longer than `msMax`.
 */
export async function run(
  program: string,
  args: readonly string[],
  msMax: number,
  signal: AbortSignal = new AbortController().signal,
): Promise<void> {
  const shown = [program, ...args].join(' ');
  // A group of its own: an interrupt typed at the terminal is for this program, which then tidies up.
  const options: SpawnOptions = { cwd: ROOT, stdio: ['ignore', 2, 2], detached: true };
  const child = spawn(program, args, options);
  const stopped = AbortSignal.any([signal, AbortSignal.timeout(msMax)]);
  const stop = (): unknown => child.kill('SIGTERM');
  stopped.addEventListener('abort', stop);
  try {
    const code = await new Promise<number | string | null>((resolve, reject) => {
      child.once('error', (cause) => reject(new Fault('unavailable', `cannot run ${program}: ${cause.message}`)));
      child.once('exit', (exitCode, exitSignal) => resolve(exitCode ?? exitSignal));
    });
    if (code === 0) return;
    const why = stopped.aborted && !signal.aborted ? `not done after ${msMax / 1000} s` : `ended with ${code}`;
    throw new Fault('unavailable', `${shown}: ${why}`);
  } finally {
    stopped.removeEventListener('abort', stop);
  }
}
