/** What a partition at rest takes on the disk, and how much was written for it, in bytes of real files. */

import type { Value } from '@tidemark/model/column-type';
import { integerBetween, SeededRandom } from '@tidemark/platform/random';
import { SimDisk } from '@tidemark/platform/sim/sim-disk';
import { describe, expect, it } from 'vitest';
import { TIER_BYTES_MIN, tierOf } from '../merge/compact.ts';
import { Partition } from '../partition.ts';
import { TABLE } from './arbitraries.ts';
import { batchOf, type ModelMutation } from './model.ts';

const FOLDER = 'travel/flights/0';
const FLUSH_ROWS = 1_000;
const FLUSHES = 24;
/** Files that do not grow with what rows hold. */
const ASIDE = /manifest|filter\.col|live-/;

/** Counts what is appended; of those that matter here. */
class CountingDisk extends SimDisk {
  appendedBytes = 0;

  override async create(path: string) {
    const file = await super.create(path);
    const append = async (bytes: Uint8Array): Promise<void> => {
      if (!ASIDE.test(path)) this.appendedBytes += bytes.length;
      await file.append(bytes);
    };
    return { ...file, path, append, sync: () => file.sync(), close: () => file.close() };
  }

  /** Of all files there are. */
  get bytes(): number {
    let bytes = 0;
    for (const folder of this.platter.folders.values()) {
      for (const [name, inode] of folder) if (inode !== 'folder' && !ASIDE.test(name)) bytes += inode.length;
    }
    return bytes;
  }
}

async function opened(disk: SimDisk): Promise<Partition> {
  // Compressed bytes depend on which rows are neighbours.
  const partition = await Partition.open(disk, FOLDER, { blockRows: 4_096, zstd: 'never' });
  partition.setTable(TABLE);
  return partition;
}

/** Flushes and what they wrote, as if nothing were ever merged; then what there is once nothing is due. */
async function atRest(seed: number, updateShare: number, reopens: boolean) {
  const random = new SeededRandom(seed);
  const disk = new CountingDisk();
  let partition = await opened(disk);
  const rows = new Map<number, ModelMutation>();
  let flushedBytes = 0;
  for (let flush = 0; flush < FLUSHES; flush++) {
    const batch = new Map<number, ModelMutation>();
    while (batch.size < FLUSH_ROWS) {
      const isUpdate = rows.size > FLUSH_ROWS && random.fraction() < updateShare;
      const key = isUpdate ? integerBetween(random, 0, rows.size - 1) : rows.size + batch.size;
      const photo = Uint8Array.from({ length: 60 }, () => integerBetween(random, 0, 255));
      batch.set(key, { key: [`key-${key}`, 1], cells: new Map<number, Value>([[8, photo]]) });
    }
    const stamp = { ms: 1_700_000_000_000 + flush, counter: 0, site: 1, writer: 1 };
    partition.apply(batchOf(TABLE, [...batch.values()]), stamp, 'paris', { epoch: 1, seq: flush });
    await partition.flush();
    for (const [key, row] of batch) rows.set(key, row);
    if (flush === 0) flushedBytes = (await alone(batch)).bytes * FLUSHES;
    if (!reopens || random.fraction() < 0.8) continue;
    await partition.close();
    partition = await opened(disk);
  }
  await partition.compact();
  const tiers = tierOf(partition.segmentBytes);
  await partition.close();
  return { disk, rows, flushedBytes, tiers };
}

/** The rows in a partition of their own. */
async function alone(rows: ReadonlyMap<number, ModelMutation>): Promise<CountingDisk> {
  const disk = new CountingDisk();
  const partition = await opened(disk);
  const stamp = { ms: 1_700_000_000_000, counter: 0, site: 1, writer: 1 };
  partition.apply(batchOf(TABLE, [...rows.values()]), stamp, 'paris', { epoch: 1, seq: 0 });
  await partition.flush();
  await partition.close();
  return disk;
}

describe('a partition at rest', () => {
  it.each([
    [0, false],
    [0.5, true],
    [0.95, true],
  ])('takes at most 1.5 times its live rows when updates are %d of what is written', async (updateShare, reopens) => {
    const { disk, rows, flushedBytes, tiers } = await atRest(1, updateShare, reopens);
    const liveBytes = (await alone(rows)).bytes;
    expect(disk.bytes).toBeLessThanOrEqual(liveBytes * 1.5);
    expect(disk.bytes).toBeGreaterThanOrEqual(liveBytes * 0.9);
    // The first tier is written again at every third flush.
    expect(disk.appendedBytes).toBeLessThanOrEqual(flushedBytes * (tiers + 3) + (TIER_BYTES_MIN * FLUSHES) / 3);
  });
});
