/** One server program under a reaper: started, watched, paused, killed; its output kept in a file of its folder. */

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Fault } from '@tidemark/platform/fault';
import type { Reaper } from './reaper.ts';

const STOP_WAIT_MS = 15_000;
const POLL_MS = 40;
const PAUSE_POLL_MS = 2;
const TAIL_CHARS = 1_500;

/** What to run and where: `name` is for messages and for the output file, `folder` is the server's own. */
export type ServerCommand = {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly folder: string;
  readonly reaper: Reaper;
  /** Added to this process's own environment. */
  readonly env?: Readonly<Record<string, string>>;
};

/** One run of the program; killing or pausing it is by its process id. */
export class ServerProcess {
  readonly #name: string;
  readonly #logPath: string;
  readonly #child: ChildProcess;
  #startFailure: string | null = null;

  private constructor(command: ServerCommand, logPath: string, child: ChildProcess) {
    this.#name = command.name;
    this.#logPath = logPath;
    this.#child = child;
    child.on('error', (error) => {
      this.#startFailure = error.message;
    });
  }

  /** Runs the program; it is not ready yet when this resolves. Output goes to `<folder>/<name>.log`. */
  static async start(command: ServerCommand): Promise<ServerProcess> {
    const logPath = join(command.folder, `${command.name}.log`);
    const log = await open(logPath, 'a');
    try {
      const stdio = ['ignore', log.fd, log.fd] as const;
      const child = command.reaper.spawn(command.program, command.args, {
        cwd: command.folder,
        stdio: [...stdio],
        env: { ...process.env, ...command.env },
      });
      child.unref();
      return new ServerProcess(command, logPath, child);
    } finally {
      await log.close();
    }
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#startFailure === null && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /**
   * Polls `isReady` until it says yes.
   *
   * @throws {Fault} `unavailable`: the server ended first or `waitMsMax` passed; the message holds its last output.
   */
  async waitUntil(isReady: () => Promise<boolean>, waitMsMax: number): Promise<void> {
    const deadlineMs = performance.now() + waitMsMax;
    while (!(await isReady())) {
      if (!this.isRunning) throw await this.#fault(`ended before it was ready (${this.#endReason()})`);
      if (performance.now() > deadlineMs) throw await this.#fault(`is not ready after ${waitMsMax} ms`);
      await sleep(POLL_MS);
    }
  }

  /** Resolves when the process has ended. */
  async ended(): Promise<void> {
    if (!this.isRunning) return;
    this.#child.ref();
    await once(this.#child, 'exit');
  }

  /** Asks it to end in good order, and kills it when it does not. Resolves when it has ended. */
  async stop(): Promise<void> {
    if (!this.isRunning) return;
    const ended = this.ended();
    this.resume();
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_WAIT_MS);
    await ended;
    clearTimeout(timer);
  }

  /** kill −9. Resolves when it has ended. */
  async kill(): Promise<void> {
    if (!this.isRunning) return;
    const ended = this.ended();
    this.#child.kill('SIGKILL');
    await ended;
  }

  /** Freezes it: connections stay open and nothing answers. Resolves when every thread of it stands still. */
  async pause(): Promise<void> {
    this.#child.kill('SIGSTOP');
    while (this.isRunning && !(await isFrozen(this.pid))) await sleep(PAUSE_POLL_MS);
  }

  resume(): void {
    this.#child.kill('SIGCONT');
  }

  /** How a process that is not running any more has ended, with its last output. */
  async endFault(): Promise<Fault> {
    return this.#fault(`ended (${this.#endReason()})`);
  }

  #endReason(): string {
    return this.#startFailure ?? `exit ${this.#child.signalCode ?? this.#child.exitCode}`;
  }

  async #fault(what: string): Promise<Fault> {
    const output = await readFile(this.#logPath, 'utf8').catch(() => '');
    return new Fault('unavailable', `${this.#name} in ${this.#logPath} ${what}: ${output.slice(-TAIL_CHARS).trim()}`);
  }
}

/** Linux tells; elsewhere the signal has to do. */
async function isFrozen(pid: number): Promise<boolean> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  const states = await Promise.all(
    threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/stat`, 'utf8').catch(() => ') T')),
  );
  return states.every((stat) => stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3) === 'T');
}
