import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NodeDisk } from '@tidemark/platform/node-disk';
import { integerBetween, SeededRandom } from '@tidemark/platform/random';
import { WorkerThreads } from '@tidemark/platform/worker-threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Partition } from '../partition.ts';
import { BlockCache } from '../segment/block-cache.ts';
import { SegmentSet } from '../segment/segment-set.ts';
import { applyWrite, modelUpTo, randomWrites, TABLE } from '../testing/arbitraries.ts';
import type { DyingSetting } from '../testing/dying-compaction-thread.ts';
import { readAll, readParts } from '../testing/read-all.ts';
import { InlineCompaction, type MergeJob } from './compaction-executor.ts';
import { ThreadedCompaction } from './threaded-compaction.ts';

const FOLDER = 'travel/flights/0';
const HISTORIES = 10;
const LIVES = 6;

let root = '';
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'tidemark-threads-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** A partition of some flushes, many of whose rows are no longer live, and a merge of some of its segments. */
async function someJob(disk: NodeDisk, seed: number): Promise<Omit<MergeJob, 'name'>> {
  const random = new SeededRandom(seed);
  const folder = `history-${seed}`;
  const partition = await Partition.open(disk, folder, { blockRows: 64, compaction: false });
  partition.setTable(TABLE);
  for (const write of randomWrites(random, integerBetween(random, 2, 24), 60, 300)) {
    applyWrite(partition, write);
    if (random.fraction() < 0.4) await partition.flush();
  }
  await partition.flush();
  await partition.close();
  const { segments } = await SegmentSet.open(disk, folder, new BlockCache(0));
  const inputs = segments
    .filter((_, i) => i === 0 || random.fraction() < 0.8)
    .map(({ segment, live }) => ({ summary: segment.summary, live }));
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const zstd = random.fraction() < 0.5 ? 'merged' : 'never';
  const inputNames = inputs.map(({ summary }) => summary.name);
  const others = segments.filter(({ segment, live }) => live !== null && !inputNames.includes(segment.summary.name));
  const gcWatermark = { ms: 1_700_000_000_000 + integerBetween(random, 0, 12), counter: 0 };
  const forgets =
    random.fraction() < 0.5 ? null : { gcWatermark, others: others.map(({ segment }) => segment.summary) };
  return {
    folder,
    table: TABLE,
    inputs,
    blockRows: 64,
    isFiltered: random.fraction() < 0.5,
    zstd,
    forgets,
    stop,
  };
}

/** Every file of a segment, by name. */
function filesOf({ folder }: { folder: string }, segment: string): Record<string, string> {
  const path = join(root, folder, segment);
  return Object.fromEntries(readdirSync(path).map((name) => [name, readFileSync(join(path, name)).toString('hex')]));
}

describe('a merge on another thread', () => {
  it('writes what the own thread writes, byte for byte', async () => {
    const disk = new NodeDisk(root);
    await using threads = ThreadedCompaction.of(disk, 2, 0);
    const jobs = await Promise.all(Array.from({ length: HISTORIES }, (_, seed) => someJob(disk, seed)));
    let cleared = 0;
    for (const job of jobs) {
      const [own, other] = await Promise.all([
        new InlineCompaction(disk).merge({ ...job, name: 'own' }),
        threads.merge({ ...job, name: 'other' }),
      ]);
      expect({ ...other, name: null }).toEqual({ ...own, name: null });
      // A row is live in one segment only, so none of them falls together with another.
      const liveRows = job.inputs.map(({ summary, live }) => summary.rows - (live?.deadCount ?? 0));
      const expected = liveRows.reduce((sum, rows) => sum + rows, 0);
      if (job.forgets === null) expect(own?.rows ?? 0).toBe(expected);
      else expect(own?.rows ?? 0).toBeLessThanOrEqual(expected);
      if (own !== null) expect(filesOf(job, 'other')).toEqual(filesOf(job, 'own'));
      cleared += job.inputs.filter(({ live }) => live !== null).length;
    }
    expect(cleared).toBeGreaterThan(HISTORIES);
  });

  it('is begun anew when its thread dies in the middle, and done without one when that one dies too', async () => {
    const disk = new NodeDisk(root);
    for (const [dying, turns] of [
      [1, 7],
      [2, 1],
      [3, 0],
    ] as const) {
      const job = await someJob(disk, 100 + dying);
      const own = await new InlineCompaction(disk).merge({ ...job, name: 'own' });
      const deaths = new Int32Array(new SharedArrayBuffer(8));
      deaths.set([dying, turns]);
      const setting: DyingSetting = { root, deaths };
      const script = new URL('../testing/dying-compaction-thread.ts', import.meta.url);
      await using compactionExecutor = new ThreadedCompaction(disk, new WorkerThreads(script, setting, 1), 0);
      const merged = await compactionExecutor.merge({ ...job, name: 'other' });
      expect({ ...merged, name: null }).toEqual({ ...own, name: null });
      expect(filesOf(job, 'other')).toEqual(filesOf(job, 'own'));
      // Two are asked at most.
      expect(deaths[0]).toBe(Math.max(dying - 2, -1));
    }
  });

  it('goes on while writes and flushes do, and is given up when the partition closes: nothing is lost', async () => {
    const disk = new NodeDisk(root);
    await using compactionExecutor = ThreadedCompaction.of(disk, 1, 0);
    const writes = randomWrites(new SeededRandom(7), 150, 40, 400);
    const random = new SeededRandom(8);
    let merges = 0;
    for (let life = 0; life < LIVES; life++) {
      const partition = await Partition.open(disk, FOLDER, { blockRows: 64, compactionExecutor });
      const before = partition.segmentCount;
      partition.setTable(TABLE);
      const model = modelUpTo(writes, (origin) => partition.position(origin));
      expect(await readAll(partition)).toEqual(model.live(TABLE));
      const { keys, rows } = await readParts(partition);
      expect(new Set(keys).size).toBe(keys.length);
      expect(rows).toEqual(model.live(TABLE));
      let [flushes, applied] = [0, 0];
      for (const write of writes) {
        if (!applyWrite(partition, write)) continue;
        if (random.fraction() < 0.3 && ++flushes > 0) await partition.flush();
        if (++applied === writes.length / LIVES) break;
      }
      if (random.fraction() < 0.5) await partition.compact();
      if (partition.segmentCount < before + flushes) merges++;
      await partition.close();
      expect(readdirSync(join(root, FOLDER)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
    }
    expect(merges).toBeGreaterThan(1);
  });
});
