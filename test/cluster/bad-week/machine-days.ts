/** Days on which the machine under a site has no room or no descriptors left, or on which the command is used as people do. */

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cp,
  lstat,
  mkdtemp,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  statfs,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type Stage, TABLE } from '@tidemark/cli/drill/stage';
import { PROGRAM } from '@tidemark/cli/program';
import { freePort } from '@tidemark/dev/free-port';
import type { DevSite } from '@tidemark/dev/sites';
import { messageOf } from '@tidemark/platform/fault';
import { promise, TAKEOVER_MS_MAX } from '../faults/stage/fault-row.ts';
import { back, type Day, job, parted, untilReady } from './days.ts';

const run = promisify(execFile);
const MIB = 1024 * 1024;
/** Room of a small disk beyond what a site has there already. */
const ROOM_BYTES = 256 * MIB;
/** Left by who fills it: less than any reserve. */
const LEFT_BYTES = MIB;
const SHORT_MS = 5_000;
const REFUSED_MS_MAX = 30_000;
const POLL_MS = 250;
const DIALED = 100;
/** Beyond what a site has open already. */
const SPARE_DESCRIPTORS = 2;
const SHIM = join(dirname(PROGRAM), 'tidemark.js');
const OLD_NODE = '/usr/bin/node';
const NODE_MAJOR_MIN = 24;

/** Deletes a row that there is not: what is acked of it is no row from nowhere. */
async function put(stage: Stage, site: DevSite): Promise<{ readonly status: number; readonly text: string }> {
  const row = { origin: 'FUL', date: '2001-01-10T18:20:00.000Z', destination: 'X', line: 1, $delete: true };
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ rows: [row] });
  const url = `${site.url}/v1/${stage.keyspace}/${TABLE}/rows`;
  const answer = await fetch(url, { method: 'POST', headers, body, redirect: 'manual' });
  return { status: answer.status, text: await answer.text() };
}

/** Until the site refuses rows for want of room, or writes no more. @returns what it said */
async function refusal(stage: Stage, site: DevSite): Promise<string> {
  for (const untilMs = performance.now() + REFUSED_MS_MAX; performance.now() < untilMs; await sleep(POLL_MS)) {
    const { status, text } = await put(stage, site);
    if (status === 307) return 'another site writes';
    if (status === 503 && /\d+ bytes free/.test(text)) return 'rows are refused, with the bytes';
  }
  return promise(false, `${site.name} neither refuses rows nor lets another site write`) as never;
}

/** The site on a disk of its own that is nearly full already. @returns how to put it back */
async function onSmallDisk(site: DevSite): Promise<() => Promise<void>> {
  const away = `${site.folder}.disk`;
  const used = Number((await run('du', ['-sb', site.folder])).stdout.split('\t')[0]);
  await site.stop();
  await rename(site.folder, away);
  await run('mkdir', [site.folder]);
  await run('mount', ['-t', 'tmpfs', '-o', `size=${used + ROOM_BYTES}`, 'tmpfs', site.folder]);
  await cp(away, site.folder, { recursive: true });
  await site.start();
  return async () => {
    await site.stop();
    await rm(away, { recursive: true });
    await cp(site.folder, away, { recursive: true });
    // Whoever still has a file of it open, keeps that.
    await run('umount', ['--lazy', site.folder]);
    await rm(site.folder, { recursive: true });
    await rename(away, site.folder);
    await site.start();
  };
}

async function fill(path: string): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(path));
  const file = await open(path, 'w');
  for (let left = bavail * bsize - LEFT_BYTES; left > 0; left -= MIB)
    await file.write(Buffer.alloc(Math.min(left, MIB)));
  await file.close();
}

async function softLimit(pid: number): Promise<string> {
  const limits = await readFile(`/proc/${pid}/limits`, 'utf8');
  return /^Max open files +(\d+)/m.exec(limits)![1]!;
}

/** The command, with what it says. */
function tidemark(
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
  program = [process.execPath, PROGRAM],
) {
  const child = spawn(program[0]!, [...program.slice(1), ...words], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (piece) => (out += String(piece)));
  child.stderr.on('data', (piece) => (err += String(piece)));
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, out, err }));
  return { child: child as ChildProcess, ended, said: () => out };
}

async function untilSaid({ child, said }: ReturnType<typeof tidemark>, msMax: number): Promise<string> {
  for (const untilMs = performance.now() + msMax; performance.now() < untilMs; await sleep(POLL_MS)) {
    if (said() !== '') return said();
    if (child.exitCode !== null) break;
  }
  return said();
}

/** An older Node of this machine with the shim, or this one that says it is older. */
async function olderNode(): Promise<string[]> {
  const { stdout } = await run(OLD_NODE, ['--version']).catch(() => ({ stdout: 'v99' }));
  if (Number(/^v(\d+)/.exec(stdout)?.[1]) < NODE_MAJOR_MIN) return [OLD_NODE, SHIM];
  const older = "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.1.0' } })";
  return [process.execPath, '--import', `data:text/javascript,${encodeURIComponent(older)}`, SHIM];
}

export const MACHINE_DAYS: readonly Day[] = [
  {
    name: "the primary's disk is full",
    needsKafka: false,
    run: async (stage) => {
      const { replica } = await parted(stage);
      const backToLarge = await onSmallDisk(replica);
      const filler = join(replica.folder, 'somebody-elses');
      try {
        await back(stage, replica);
        const moved = await job(stage, null, { kind: 'switchover', to: replica.name });
        promise(moved === 'done', `switchover --to ${replica.name}: ${moved}`);
        await fill(filler);
        const said = await refusal(stage, replica);
        await sleep(SHORT_MS);
        promise(replica.isRunning, `${replica.name} ended on a full disk`);
        await rm(filler);
        await untilReady(stage);
        return `room was made: ${said}`;
      } finally {
        await rm(filler, { force: true });
        await backToLarge();
      }
    },
  },
  {
    name: 'the primary has no file descriptors left',
    needsKafka: false,
    run: async (stage) => {
      const { primary } = await parted(stage);
      const { pid } = primary;
      const before = await softLimit(pid);
      const open = (await readdir(`/proc/${pid}/fd`)).length;
      const sockets: Socket[] = [];
      await run('prlimit', ['--pid', `${pid}`, `--nofile=${open + SPARE_DESCRIPTORS}:`]);
      try {
        const { hostname, port } = new URL(primary.url);
        for (let i = 0; i < DIALED; i++) sockets.push(connect(Number(port), hostname).on('error', () => undefined));
        await sleep(SHORT_MS);
      } finally {
        await run('prlimit', ['--pid', `${pid}`, `--nofile=${before}:`]);
        for (const socket of sockets) socket.destroy();
      }
      promise(primary.isRunning && primary.pid === pid, `${primary.name} ended`);
      await untilReady(stage);
      const { site } = await stage.primary(TAKEOVER_MS_MAX);
      return `the limit was raised${site === primary.name ? '' : `, ${await back(stage, primary)}`}`;
    },
  },
  {
    name: '`dev --engine kafka` twice in one folder',
    needsKafka: true,
    run: async () => {
      const folder = await mkdtemp(join(tmpdir(), 'bad-week-dev-'));
      try {
        for (const turn of ['first', 'second']) {
          const port = String(await freePort());
          const dev = tidemark(['dev', '--engine', 'kafka', '--sites', '1', '--data', folder, '--port', port]);
          const said = await untilSaid(dev, TAKEOVER_MS_MAX * 10);
          const url = /http:\/\/[\d.:]+/.exec(said)?.[0];
          const ready = url === undefined ? null : await fetch(`${url}/readyz`).catch(messageOf);
          dev.child.kill('SIGTERM');
          const { code, err } = await dev.ended;
          const isReady = typeof ready === 'object' && ready?.ok === true;
          promise(isReady, `the ${turn} start: ${said} ${String(ready)} ${err.slice(-300)}`);
          promise(code === 0, `the ${turn} end: ${code} ${err.slice(-300)}`);
        }
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
      return 'nothing: it starts again';
    },
  },
  {
    name: 'an export to what is no file',
    needsKafka: false,
    run: async (stage) => {
      const folder = await mkdtemp(join(tmpdir(), 'bad-week-export-'));
      const [kept, link, pipe] = ['kept.csv', 'link.csv', 'pipe.csv'].map((name) => join(folder, name));
      await writeFile(kept!, 'kept');
      await symlink(kept!, link!);
      await run('mkfifo', [pipe!]);
      const env = { TIDEMARK_URL: stage.urls.join(',') };
      for (const place of [link!, pipe!, folder]) {
        const { code, err } = await tidemark(['export', `${stage.keyspace}.${TABLE}`, place, '--format', 'csv'], env)
          .ended;
        promise(code === 2 && err.includes(place), `export to ${place}: ${code} ${err.slice(0, 300)}`);
      }
      promise((await readlink(link!)) === kept, 'the link is another one');
      promise((await readFile(kept!, 'utf8')) === 'kept', 'what the link leads to was written over');
      promise((await lstat(pipe!)).isFIFO(), 'the pipe is gone');
      promise((await readdir(folder)).length === 3, `left behind: ${(await readdir(folder)).join()}`);
      await rm(folder, { recursive: true });
      return 'nothing: refused';
    },
  },
  {
    name: 'a service manager starts a site by an older Node, and ends it',
    needsKafka: false,
    run: async (stage) => {
      const { replica } = await parted(stage);
      const program = await olderNode();
      await replica.stop();
      for (const signal of ['SIGTERM', 'SIGINT'] as const) {
        const shim = tidemark(['serve', '--config', replica.configFile], {}, program);
        const said = await untilSaid(shim, TAKEOVER_MS_MAX * 4);
        const { pid } = JSON.parse(said.split('\n')[0] || '{}') as { pid?: number };
        promise(pid !== undefined && pid !== shim.child.pid, `it did not start: ${said}`);
        shim.child.kill(signal);
        const { code } = await shim.ended;
        const isThere = await lstat(`/proc/${pid}`).then(
          () => true,
          () => false,
        );
        promise(code === 0 && !isThere, `${signal}: exit ${code}, the site ${isThere ? 'runs on' : 'has ended'}`);
      }
      await replica.start();
      return `start, ${await back(stage, replica)}`;
    },
  },
];
