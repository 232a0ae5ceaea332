/**
 * The reaper's own process. It reads one command per line from standard input; when that closes, however its owner
 * ended, it kills every process and removes every folder it still holds, and exits.
 */

import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

/** `pid` commands hold or drop a process, `folder` commands a folder. */
export type ReaperCommand = { readonly hold: boolean; readonly pid?: number; readonly folder?: string };

const GONE_WAIT_MS = 5_000;

if (import.meta.main) {
  // A Ctrl-C reaches the whole terminal group; the owner decides what it means, the reaper only watches the owner.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
  await watch();
}

async function watch(): Promise<void> {
  const births = new Map<number, string>();
  const folders = new Set<string>();
  for await (const line of createInterface({ input: process.stdin })) {
    const { hold, pid, folder } = JSON.parse(line) as ReaperCommand;
    if (pid !== undefined) hold ? births.set(pid, birthOf(pid)) : births.delete(pid);
    if (folder !== undefined) hold ? folders.add(folder) : folders.delete(folder);
  }
  await Promise.all([...births].map(([pid, birth]) => end(pid, birth)));
  for (const folder of folders) await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
}

/** Kills the process unless its number has meanwhile gone to another one. */
async function end(pid: number, birth: string): Promise<void> {
  if (birthOf(pid) !== birth) return;
  try {
    process.kill(pid, 'SIGKILL');
    for (let waitedMs = 0; waitedMs < GONE_WAIT_MS && birthOf(pid) === birth; waitedMs += 10) {
      await sleep(10);
      process.kill(pid, 0);
    }
  } catch {
    // It is gone, which is all that is asked.
  }
}

/** When the process began, in the system's ticks; '' where the system does not tell, 'gone' for a dead one. */
function birthOf(pid: number): string {
  if (process.platform !== 'linux') return '';
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? 'gone' : fields[19]!;
  } catch {
    return 'gone';
  }
}
