import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Reaper } from './reaper.ts';

// A process that takes a scratch folder, starts a child that would live for an hour, and says where both are.
const OWNER = `
  import { Reaper } from './reaper.ts';
  const reaper = Reaper.start();
  const folder = await reaper.scratchFolder('reaper-test');
  const child = reaper.spawn(process.execPath, ['-e', 'setTimeout(() => {}, 3_600_000)'], { stdio: 'ignore' });
  console.log(JSON.stringify({ folder, pid: child.pid }));
`;

type Held = { readonly folder: string; readonly pid: number };

async function startOwner(ending: string): Promise<{ owner: ChildProcess; held: Held }> {
  const args = ['--input-type=module', '-e', OWNER + ending];
  const owner = spawn(process.execPath, args, { cwd: import.meta.dirname, stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of createInterface({ input: owner.stdout! })) return { owner, held: JSON.parse(line) as Held };
  throw new Error('the owner ended before it said anything');
}

/** A zombie counts as ended: only its parent's bookkeeping is left of it. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return process.platform !== 'linux' || !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

async function untilGone({ pid, folder }: Held): Promise<void> {
  while (isAlive(pid) || existsSync(folder)) await sleep(10);
}

describe('reaper', () => {
  it('ends the children and removes the scratch folders of an owner killed with −9', async () => {
    const { owner, held } = await startOwner('setInterval(() => {}, 1_000);');
    expect(isAlive(held.pid)).toBe(true);
    owner.kill('SIGKILL');
    await untilGone(held);
  });

  it('ends a child that is paused when its owner is killed', async () => {
    const { owner, held } = await startOwner('child.kill("SIGSTOP"); setInterval(() => {}, 1_000);');
    owner.kill('SIGKILL');
    await untilGone(held);
  });

  it('neither keeps a finished owner alive nor lets its children outlive it', async () => {
    const { owner, held } = await startOwner('child.unref();');
    if (owner.exitCode === null) await once(owner, 'exit');
    await untilGone(held);
  });

  it('has ended everything when its disposal resolves', async () => {
    const reaper = Reaper.start();
    const folder = await reaper.scratchFolder('reaper-test');
    writeFileSync(join(folder, 'full'), 'x');
    const child = reaper.spawn(process.execPath, ['-e', 'setTimeout(() => {}, 3_600_000)'], { stdio: 'ignore' });
    await once(child, 'spawn');
    await reaper[Symbol.asyncDispose]();
    expect(isAlive(child.pid!)).toBe(false);
    expect(existsSync(folder)).toBe(false);
  });

  it('leaves a folder that was told to be kept', async () => {
    const reaper = Reaper.start();
    const folder = await reaper.scratchFolder('reaper-test');
    reaper.keep(folder);
    await reaper[Symbol.asyncDispose]();
    expect(existsSync(folder)).toBe(true);
    await rm(folder, { recursive: true });
  });

  it('starts nothing more once its own process is gone', async () => {
    const reaper = Reaper.start();
    await reaper[Symbol.asyncDispose]();
    expect(() => reaper.spawn(process.execPath, ['-e', ''])).toThrow(/reaper process is gone/);
    await expect(reaper.scratchFolder('reaper-test')).rejects.toThrow(/reaper process is gone/);
  });
});
