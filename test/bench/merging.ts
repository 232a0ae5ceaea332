/**
 * `npm run bench merging`: what applying feels of a merge beside it, on the applier's own thread and on another. Needs a
 * second core to say anything. docs/performance.md has what it printed.
 */

import { rm } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { setImmediate, setTimeout } from 'node:timers/promises';
import type { Reaper } from '@tidemark/dev/reaper';
import { NodeDisk } from '@tidemark/platform/node-disk';
import type { CompactionExecutor } from '@tidemark/store/merge/compaction-executor';
import { ThreadedCompaction } from '@tidemark/store/merge/threaded-compaction';
import { type Figure, figureOf, print } from './measure.ts';
import { digits } from './store/contest.ts';
import { Flights } from './store/flights.ts';
import { bodiesOf, OurTable } from './store/our-table.ts';
import { streamWrite } from './store/writes.ts';

/** Rows of the segments that are merged, and how many there are. */
const ROWS = 1_000_000;
const SEGMENTS = 4;
/** Rows that are applied over and over meanwhile, so that memory stays as it is. */
const APPLIED_ROWS = 16_384 * 16;
/** Writes of the run with flushes in it, and the memory that makes one due. */
const STREAM_ROWS = 2_000_000;
const MEMTABLE_BYTES = 8 * 1024 * 1024;
const RUNS = 3;

type Mode = 'no merge' | 'own thread' | 'another thread';
const MODES: readonly Mode[] = ['no merge', 'own thread', 'another thread'];

/** What applying reached: rows a second, and its longest wait between two records; each also by its thread's work alone. */
type Applied = {
  readonly rate: number;
  readonly busyRate: number;
  readonly longestMs: number;
  readonly longestBusyMs: number;
  readonly ms: number;
};

const FIGURES = ['rate', 'busyRate', 'longestMs', 'longestBusyMs', 'ms'] as const;

export async function merging(reaper: Reaper): Promise<object> {
  print(`merging beside applying, on ${availableParallelism()} of ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`);
  const flights = await Flights.load(Math.max(ROWS, STREAM_ROWS));
  const folder = await reaper.scratchFolder('merging');
  const one = await compared(
    `applying during one merge of ${SEGMENTS} segments, ${ROWS.toLocaleString('en')} rows`,
    (mode) => besideOneMerge(join(folder, 'one'), flights, mode),
  );
  const many = await compared(
    `${STREAM_ROWS.toLocaleString('en')} writes, flushed at ${MEMTABLE_BYTES >> 20} MiB, merged as it comes`,
    (mode) => besideMany(join(folder, 'many'), flights, mode),
  );
  return { bench: 'merging', one, many };
}

async function compared(what: string, run: (mode: Mode) => Promise<Applied>): Promise<object> {
  const all = new Map(MODES.map((mode) => [mode, [] as Applied[]]));
  for (let round = -1; round < RUNS; round++) {
    for (const mode of MODES) {
      const applied = await run(mode);
      if (round >= 0) all.get(mode)!.push(applied);
    }
  }
  print(what);
  const closing: Record<string, object> = {};
  for (const [mode, runs] of all) {
    const of = (name: keyof Applied): Figure => figureOf(runs.map((applied) => applied[name]));
    print(`  ${mode.padEnd(15)} ${inWords(of('rate'))} rows/s; of the thread's time ${inWords(of('busyRate'))}`);
    print(`  ${''.padEnd(15)} longest wait ${inWords(of('longestMs'))} ms; at work ${inWords(of('longestBusyMs'))}`);
    print(`  ${''.padEnd(15)} in all ${inWords(of('ms'))} ms`);
    closing[mode] = Object.fromEntries(FIGURES.map((name) => [name, Number(of(name).median.toPrecision(4))]));
  }
  return closing;
}

function inWords({ median, min, max }: Figure): string {
  return `${digits(median)} (${digits(min)}–${digits(max)})`;
}

/** Applies the same rows again and again while segments are merged, or for a second. */
async function besideOneMerge(folder: string, flights: Flights, mode: Mode): Promise<Applied> {
  await using compactionExecutor = compactionExecutorOf(folder, mode);
  const table = await OurTable.open(folder, { compaction: false, compactionExecutor });
  const share = ROWS / SEGMENTS;
  for (let n = 0; n < SEGMENTS; n++) {
    await table.apply(bodiesOf(flights, share, (at) => ({ row: n + at * SEGMENTS, update: null })));
    await table.partition.flush();
  }
  const bodies = [...bodiesOf(flights, APPLIED_ROWS, (row) => ({ row, update: null }))];
  await table.apply(bodies);
  const waits = new Waits();
  let isOver = false;
  const end = mode === 'no merge' ? setTimeout(1_000) : table.partition.compact();
  const ending = end.finally(() => {
    isOver = true;
  });
  let records = 0;
  for (; !isOver; records++) {
    table.applyOne(bodies[records % bodies.length]!);
    await waits.turn();
  }
  await ending;
  const applied = waits.applied((records * APPLIED_ROWS) / bodies.length);
  if (mode !== 'no merge' && table.partition.segmentCount !== 1) throw new Error('the segments were not merged');
  await table.close();
  await rm(folder, { recursive: true });
  return applied;
}

/** Applies writes with the flushes that become due beside it, as the applier does. */
async function besideMany(folder: string, flights: Flights, mode: Mode): Promise<Applied> {
  await using compactionExecutor = compactionExecutorOf(folder, mode);
  const compaction = mode !== 'no merge';
  const table = await OurTable.open(folder, { compaction, compactionExecutor, memtableBytesMax: MEMTABLE_BYTES });
  const bodies = [...bodiesOf(flights, STREAM_ROWS, streamWrite)];
  const waits = new Waits();
  let flushing = Promise.resolve();
  let isFlushing = false;
  for (const body of bodies) {
    // What comes during a flush belongs to the next, which waits for this one.
    if (table.partition.memtableBytes > 2 * MEMTABLE_BYTES) await flushing;
    table.applyOne(body);
    if (table.partition.needsFlush && !isFlushing) {
      isFlushing = true;
      flushing = table.partition.flush().finally(() => {
        isFlushing = false;
      });
    }
    await waits.turn();
  }
  await flushing;
  await table.partition.flush();
  const applied = waits.applied(STREAM_ROWS);
  await table.close();
  await rm(folder, { recursive: true });
  return applied;
}

function compactionExecutorOf(folder: string, mode: Mode): (CompactionExecutor & AsyncDisposable) | null {
  return mode === 'another thread' ? ThreadedCompaction.of(new NodeDisk(folder), 1) : null;
}

/**
 * How long whoever applies waits for his next turn: by the clock, and how much of it his thread was at work, which leaves
 * out what other programs take of the core.
 */
class Waits {
  readonly #startMs = performance.now();
  readonly #start = process.threadCpuUsage();
  #longestMs = 0;
  #longestBusyMs = 0;

  async turn(): Promise<void> {
    const fromMs = performance.now();
    const from = process.threadCpuUsage();
    await setImmediate();
    this.#longestMs = Math.max(this.#longestMs, performance.now() - fromMs);
    this.#longestBusyMs = Math.max(this.#longestBusyMs, busyMs(from));
  }

  applied(rows: number): Applied {
    const ms = performance.now() - this.#startMs;
    const [rate, busyRate] = [ms, busyMs(this.#start)].map((spentMs) => (rows / spentMs) * 1_000);
    return { rate: rate!, busyRate: busyRate!, longestMs: this.#longestMs, longestBusyMs: this.#longestBusyMs, ms };
  }
}

function busyMs(since: { readonly user: number; readonly system: number }): number {
  const { user, system } = process.threadCpuUsage(since as NodeJS.CpuUsage);
  return (user + system) / 1_000;
}
