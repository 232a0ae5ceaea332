/**
 * Nothing is left behind: what is started through a Reaper ends with the process that started it, also when that one
 * is killed with −9. A small process of its own holds the list and acts when its standard input closes.
 */

import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { Fault } from '@tidemark/platform/fault';
import type { ReaperCommand } from './reaper-main.ts';

const PROGRAM = fileURLToPath(new URL('reaper-main.ts', import.meta.url));

/** The list of what is to end, kept by another process; disposing it ends all of that and waits for it. */
export class Reaper implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #input: Writable;
  #failure: string | null = null;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#input = child.stdin!;
    child.once('error', (error) => this.#fail(error.message));
    child.once('exit', (code, signal) => this.#fail(`it ended with ${signal ?? code}`));
    this.#input.on('error', (error) => this.#fail(error.message));
  }

  /** Starts the watching process. It keeps no event loop alive: when its owner is done, so is it. */
  static start(): Reaper {
    const child = spawn(process.execPath, [PROGRAM], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
    child.unref();
    (child.stdin as unknown as { unref(): void }).unref();
    return new Reaper(child);
  }

  /**
   * Starts a program that will not outlive this process. Name the program itself, never npm, npx or a shell: the kill
   * would reach the wrapper only. It gets its own process group, so a Ctrl-C on the terminal reaches its owner alone.
   *
   * @throws {Fault} `unavailable`: the reaper has died, so nothing more is started under it.
   */
  spawn(program: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
    this.#assertAlive();
    const child = spawn(program, args, { ...options, detached: true });
    const { pid } = child;
    if (pid !== undefined) {
      this.#tell({ hold: true, pid });
      child.once('exit', () => this.#tell({ hold: false, pid }));
    }
    return child;
  }

  /** A new empty folder under the system's temporary folder, removed when this process ends. */
  async scratchFolder(name: string): Promise<string> {
    this.#assertAlive();
    const folder = join(tmpdir(), `tidemark-${name}-${randomBytes(6).toString('hex')}`);
    this.#tell({ hold: true, folder });
    await mkdir(folder, { recursive: true });
    return folder;
  }

  /** Lets a scratch folder outlive this process. */
  keep(folder: string): void {
    this.#tell({ hold: false, folder });
  }

  /** Kills everything still running, removes the scratch folders, and resolves when that is done. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.ref();
    const ended = once(this.#child, 'exit');
    this.#input.end();
    await ended;
  }

  #fail(reason: string): void {
    this.#failure ??= reason;
  }

  #assertAlive(): void {
    if (this.#failure !== null) throw new Fault('unavailable', `the reaper process is gone: ${this.#failure}`);
  }

  #tell(command: ReaperCommand): void {
    if (this.#failure === null && !this.#input.writableEnded) this.#input.write(`${JSON.stringify(command)}\n`);
  }
}
