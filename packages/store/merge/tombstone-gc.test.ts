/**
 * Deletions are forgotten below a GC watermark only, and nobody can tell: rows are the same, whatever arrives afterwards that
 * may, and digests at the GC watermark are the same as of whoever has forgotten nothing.
 */

import { encodeKey } from '@tidemark/columnar/key';
import { integerBetween, type Random, SeededRandom } from '@tidemark/platform/random';
import { Crashed, SimDisk, SimPlatter } from '@tidemark/platform/sim/sim-disk';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GcWatermark } from '../gc-watermark.ts';
import { Partition } from '../partition.ts';
import type { StoredRow } from '../row/row-value.ts';
import { applyWrite, modelUpTo, randomWrites, TABLE, type Write } from '../testing/arbitraries.ts';
import { batchOf, type Model, type ModelMutation } from '../testing/model.ts';
import { readAll, readParts } from '../testing/read-all.ts';
import { type CompactionExecutor, InlineCompaction, type MergeJob } from './compaction-executor.ts';

const FOLDER = 'travel/flights/0';
const OPTIONS = { blockRows: 4, compaction: false };
const everything = { epoch: 9, seq: Number.MAX_SAFE_INTEGER };

async function opened(disk = new SimDisk()): Promise<Partition> {
  const partition = await Partition.open(disk, FOLDER, OPTIONS);
  partition.setTable(TABLE);
  return partition;
}

/** A cell that says it was deleted is shown as one that was never written. */
function shown(rows: readonly StoredRow[]): StoredRow[] {
  return rows.map((row) => ({ ...row, cells: row.cells.filter(({ value }) => value !== null) }));
}

/** Merged, and by their deletion vector. */
async function expectRows(partition: Partition, model: Model): Promise<void> {
  const live = shown(model.live(TABLE));
  expect(shown(await readAll(partition))).toEqual(live);
  const { keys, rows } = await readParts(partition);
  expect(new Set(keys).size).toBe(keys.length);
  expect(shown(rows)).toEqual(live);
  for (const row of live.slice(0, 3)) expect(shown([(await partition.get(row.key))!])).toEqual([row]);
}

function shuffled<T>(random: Random, items: readonly T[]): T[] {
  const drawn = items.map((item) => ({ item, order: random.fraction() }));
  return drawn.sort((a, b) => a.order - b.order).map(({ item }) => item);
}

/** The earliest stamp of some writes. */
function least(writes: readonly Write[]): GcWatermark {
  return { ms: Math.min(...writes.map(({ stamp }) => stamp.ms)), counter: 0 };
}

/** Applies a write whatever was applied before it, and now and then flushes and merges. */
class Arrival {
  readonly partition: Partition;
  readonly #random: Random;
  readonly #origin: string;
  #seq = 0;

  constructor(partition: Partition, random: Random, origin = 'any') {
    this.partition = partition;
    this.#origin = origin;
    this.#random = random;
  }

  async take(writes: readonly Write[]): Promise<void> {
    for (const { mutations, stamp } of writes) {
      this.partition.apply(batchOf(TABLE, mutations), stamp, this.#origin, { epoch: 1, seq: this.#seq++ });
      const act = this.#random.fraction();
      if (act < 0.5) await this.partition.flush();
      if (act < 0.2) await this.partition.compact();
    }
  }
}

/** Of rows a and b the first is deleted, which may be forgotten. */
async function oneDeleted(disk: SimDisk, compactionExecutor: CompactionExecutor): Promise<Partition> {
  const partition = await Partition.open(disk, FOLDER, { ...OPTIONS, compactionExecutor });
  partition.setTable(TABLE);
  apply(partition, 1, 100, [mutation('a', [[3, 1]]), mutation('b', [[3, 1]])]);
  apply(partition, 2, 200, [mutation('a', 'delete')]);
  await partition.flush();
  partition.forgetBelow({ ms: 300, counter: 0 });
  return partition;
}

describe('a purge', () => {
  it('changes no row, whatever arrives afterwards in whatever order and however often, and no digest at the GC watermark', async () => {
    let forgotten = 0;
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (seed) => {
        const random = new SeededRandom(seed);
        const writes = randomWrites(random, integerBetween(random, 4, 24), 6, 6);
        const gcWatermark = { ms: writes[0]!.stamp.ms + integerBetween(random, 1, writes.length), counter: 0 };
        const below = writes.filter(({ stamp }) => stamp.ms < gcWatermark.ms);
        const above = writes.filter(({ stamp }) => stamp.ms >= gcWatermark.ms);
        const before = new Arrival(await opened(), random);
        await before.take(shuffled(random, below));
        const disk = new SimDisk();
        const after = new Arrival(await opened(disk), random);
        await after.take(shuffled(random, below));
        after.partition.forgetBelow(gcWatermark);
        const rest = shuffled(random, [...above, ...above.slice(0, 3)]);
        await after.take(rest.slice(0, rest.length / 2));
        await after.partition.flush();
        await after.partition.compact();
        if (after.partition.purged !== null) forgotten++;
        await after.take(rest.slice(rest.length / 2));
        await after.partition.flush();
        await after.partition.compact();
        await before.take(above);
        const model = modelUpTo(writes, () => everything);
        await expectRows(after.partition, model);
        for (const at of [gcWatermark, { ms: gcWatermark.ms + 3, counter: 1 }]) {
          const digest = await after.partition.digest(at);
          expect(digest).toEqual(await before.partition.digest(at));
          expect(digest.gcWatermark).toEqual(at);
        }
        // Everything once more, as from a log that is read from its start: nothing is forgotten until all is there.
        await after.partition.flush();
        await after.partition.close();
        const again = new Arrival(await opened(disk), random, 'again');
        await again.take(shuffled(random, writes));
        expect(await again.partition.digest(gcWatermark)).toEqual(await before.partition.digest(gcWatermark));
        await expectRows(again.partition, model);
      }),
      { numRuns: 40 },
    );
    expect(forgotten).toBeGreaterThan(5);
  }, 120_000);

  it('keeps what a crash may need: reopened at any step, the rows are those of its positions', async () => {
    let forgotten = 0;
    for (let seed = 1; seed <= 40; seed++) {
      const random = new SeededRandom(seed);
      const writes = randomWrites(random, 24, 2, 1);
      let disk = new SimDisk(new SimPlatter());
      for (let life = 0; life < 4; life++) {
        const last = life === 3 ? Number.POSITIVE_INFINITY : disk.platter.stepCount + integerBetween(random, 1, 400);
        disk.hook = (step) => (step.number >= last ? 'crash' : 'ok');
        await live(disk, writes, random).catch((error: unknown) => {
          if (!(error instanceof Crashed)) throw error;
        });
        disk = disk.restart(random.fraction() < 0.5 ? random : undefined);
        const partition = await Partition.open(disk, FOLDER, OPTIONS);
        if (partition.purged !== null) forgotten++;
        const model = modelUpTo(writes, (origin) => partition.position(origin));
        await expectRows(partition, model);
        await partition.close();
        disk = disk.restart();
      }
    }
    expect(forgotten).toBeGreaterThan(40);
  }, 120_000);

  it('above the GC watermark would bring back a row: what is older than its delete arrives later', async () => {
    const put = mutation('a', [[3, 5]]);
    for (const [gcWatermarkMs, expected] of [
      [500, 0],
      [2_000, 1],
    ] as const) {
      const partition = await opened();
      apply(partition, 1, 1_000, [mutation('a', 'delete')]);
      await partition.flush();
      partition.forgetBelow({ ms: gcWatermarkMs, counter: 0 });
      await partition.compact();
      // A member that had applied everything below 500 only could still send this.
      apply(partition, 2, 700, [put]);
      expect(await readAll(partition)).toHaveLength(expected);
    }
  });

  it('keeps a tombstone while an older form of its row is left in another segment, be it a dead one', async () => {
    const partition = await opened();
    const put = (key: string, i: number): ModelMutation => mutation(`${key}${i}`, [[3, i]]);
    const ten = Array.from({ length: 10 }, (_, i) => i);
    apply(
      partition,
      1,
      100,
      ten.map((i) => put('a', i)),
    );
    await partition.flush();
    apply(partition, 2, 200, [mutation('a0', 'delete'), ...ten.slice(1).map((i) => put('b', i))]);
    await partition.flush();
    apply(
      partition,
      3,
      300,
      ten.slice(1).map((i) => put('b', i)),
    );
    await partition.flush();
    partition.forgetBelow({ ms: 1_000, counter: 0 });
    // Only the second is mostly dead, and so written anew: the first goes on holding what its tombstone hides.
    await partition.compact();
    expect(partition.segmentCount).toBe(3);
    expect(await partition.digest()).toMatchObject({ rows: 18 });
    expect((await partition.state(encodeKey(TABLE, ['a0', 0])))?.tombstone?.ms).toBe(200);
    expect(await readAll(partition)).toHaveLength(18);
    // Once that is gone too, so is the tombstone.
    for (let seq = 4; partition.segmentCount > 1; seq++) {
      apply(partition, seq, seq * 100, [put('c', seq)]);
      await partition.flush();
      await partition.compact();
    }
    expect(await partition.digest()).toMatchObject({ tombstones: 0, gcWatermark: { counter: 0 } });
  });

  it('is given up when older rows are applied once more while it is under way', async () => {
    const disk = new SimDisk();
    const compactionExecutor = new InlineCompaction(disk);
    const again: boolean[] = [];
    const merge = async (job: MergeJob): ReturnType<CompactionExecutor['merge']> => {
      const merged = await compactionExecutor.merge(job);
      const stamp = { ms: 100, counter: 0, site: 1, writer: 1 };
      if (again.length === 0) again.push(partition.applyAgain(batchOf(TABLE, [mutation('a', [[3, 1]])]), stamp));
      return merged;
    };
    const partition = await oneDeleted(disk, { merge });
    await partition.compact();
    expect(again).toEqual([true]);
    expect(partition.purged).toBe(null);
    expect((await disk.list(FOLDER)).filter((name) => name.startsWith('seg-'))).toHaveLength(1);
    expect(await partition.get(encodeKey(TABLE, ['a', 0]))).toBe(null);
    await partition.flush();
    await partition.compact();
    expect(await partition.get(encodeKey(TABLE, ['a', 0]))).toBe(null);
    expect(await partition.digest()).toMatchObject({ rows: 1, tombstones: 0 });
  });

  it('refuses older rows that are applied once more while it is being committed', async () => {
    const disk = new SimDisk();
    const compactionExecutor = new InlineCompaction(disk);
    const again: boolean[] = [];
    const merge = async (job: MergeJob): ReturnType<CompactionExecutor['merge']> => {
      const merged = await compactionExecutor.merge(job);
      disk.hook = ({ path }) => {
        const stamp = { ms: 100, counter: 0, site: 1, writer: 1 };
        if (job.forgets !== null && path.includes('manifest'))
          again.push(partition.applyAgain(batchOf(TABLE, [mutation('a', [[3, 1]])]), stamp));
        return 'ok';
      };
      return merged;
    };
    const partition = await oneDeleted(disk, { merge });
    await partition.compact();
    expect(new Set(again)).toEqual(new Set([false]));
    expect(await partition.get(encodeKey(TABLE, ['a', 0]))).toBe(null);
  });

  it('leaves nothing of a table whose rows are all deleted', async () => {
    const partition = await opened();
    const keys = Array.from({ length: 30 }, (_, i) => `k${i}`);
    apply(
      partition,
      1,
      100,
      keys.map((key) => mutation(key, [[3, 1]])),
    );
    await partition.flush();
    apply(
      partition,
      2,
      200,
      keys.map((key) => mutation(key, 'delete')),
    );
    await partition.flush();
    await partition.compact();
    expect(await partition.digest()).toMatchObject({ rows: 0, tombstones: 30 });
    partition.forgetBelow({ ms: 300, counter: 0 });
    await partition.compact();
    expect(partition.segmentCount).toBe(0);
    expect(await partition.digest()).toMatchObject({ rows: 0, tombstones: 0, gcWatermark: { ms: 300, counter: 0 } });
    expect(await partition.state(encodeKey(TABLE, ['k1', 0]))).toBe(null);
  });

  it('stays known when it is opened again, and a replay from before it is passed over', async () => {
    const disk = new SimDisk();
    const partition = await opened(disk);
    apply(partition, 1, 100, [mutation('a', [[3, 1]]), mutation('b', [[3, 1]])]);
    apply(partition, 2, 200, [mutation('a', 'delete')]);
    await partition.flush();
    partition.forgetBelow({ ms: 300, counter: 0 });
    await partition.compact();
    await partition.close();
    const again = await opened(disk.restart());
    expect(again.purged).toEqual({ ms: 300, counter: 0 });
    const stamp = { ms: 100, counter: 0, site: 1, writer: 1 };
    expect(again.applyAgain(batchOf(TABLE, [mutation('a', [[3, 1]])]), stamp)).toBe(false);
    expect(await again.get(encodeKey(TABLE, ['a', 0]))).toBe(null);
    expect(again.applyAgain(batchOf(TABLE, [mutation('c', [[3, 1]])]), { ...stamp, ms: 300 })).toBe(true);
  });

  it('does not happen while a segment is damaged: what stands in it is not known', async () => {
    const disk = new SimDisk();
    const partition = await opened(disk);
    apply(partition, 1, 100, [mutation('a', [[3, 1]]), mutation('b', [[3, 1]])]);
    await partition.flush();
    const [segment] = (await disk.list(FOLDER)).filter((name) => name.startsWith('seg-'));
    const inode = disk.platter.folders.get(`${FOLDER}/${segment}`)!.get('3-delay.col')!;
    if (inode === 'folder') throw new Error('a file was expected');
    inode.bytes[12]! ^= 1;
    for (let seq = 2; seq < 8; seq++) {
      apply(partition, seq, seq * 100, [mutation('a', 'delete')]);
      await partition.flush();
    }
    expect(partition.damage).toHaveLength(1);
    partition.forgetBelow({ ms: 10_000, counter: 0 });
    await partition.compact();
    expect(partition.purged).toBe(null);
    inode.bytes[12]! ^= 1;
    expect((await readAll(partition)).map(({ key }) => key)).toEqual([new Uint8Array(encodeKey(TABLE, ['b', 0]))]);
  });
});

/** One life of a process; what may be forgotten is below all that is still to come. */
async function live(disk: SimDisk, writes: readonly Write[], random: Random): Promise<void> {
  const partition = await Partition.open(disk, FOLDER, { ...OPTIONS, compaction: true });
  partition.setTable(TABLE);
  for (const [i, write] of writes.entries()) {
    applyWrite(partition, write);
    if (i + 1 < writes.length) partition.forgetBelow(least(writes.slice(i + 1)));
    const act = random.fraction();
    if (act < 0.5) await partition.flush();
    if (act > 0.8) await partition.compact();
  }
  await partition.close();
}

function mutation(key: string, cells: readonly [number, number][] | 'delete'): ModelMutation {
  return { key: [key, 0], cells: cells === 'delete' ? cells : new Map(cells) };
}

function apply(partition: Partition, seq: number, ms: number, mutations: readonly ModelMutation[]): void {
  partition.apply(batchOf(TABLE, mutations), { ms, counter: 0, site: 1, writer: 1 }, 'paris', { epoch: 1, seq });
}
