import { encodeKey } from '@tidemark/columnar/key';
import { Fault } from '@tidemark/platform/fault';
import { SimDisk } from '@tidemark/platform/sim/sim-disk';
import { describe, expect, it } from 'vitest';
import { Partition } from '../partition.ts';
import { TABLE } from '../testing/arbitraries.ts';
import { batchOf, type ModelMutation } from '../testing/model.ts';
import { readAll } from '../testing/read-all.ts';
import { BlockCache } from './block-cache.ts';
import { ColumnFile } from './column-file.ts';
import { ColumnFileWriter, uncut } from './column-file-writer.ts';

const FOLDER = 'travel/flights/0';
const SEGMENT = `${FOLDER}/seg-000001`;
/** One block, in units of few rows. */
const ROWS = 200;
const LINES = ROWS / 2;

/** Tells which bytes are read, and how many reads are under way. */
class CountingDisk extends SimDisk {
  reads: string[] = [];
  together = 0;
  #underWay = 0;

  override async readAt(path: string, offset: number, length: number): Promise<Uint8Array> {
    this.reads.push(path.slice(path.lastIndexOf('/') + 1));
    this.together = Math.max(this.together, ++this.#underWay);
    try {
      return await super.readAt(path, offset, length);
    } finally {
      this.#underWay--;
    }
  }

  begin(): void {
    this.reads = [];
    this.together = 0;
  }
}

const keyOf = (row: number): Uint8Array => encodeKey(TABLE, [row < LINES ? 'LAX' : 'SAN', row % LINES]);
const cellsOf = (row: number): Map<number, string | number> =>
  new Map<number, string | number>([
    [3, row * 7],
    [4, `gate ${row % 3}`],
    [9, 1_700_000_000_000_000 + row * row],
  ]);

/** A partition of one block, opened with a cache of so many bytes, whose files are open. */
async function opened(cacheBytes: number): Promise<{ disk: CountingDisk; partition: Partition; cache: BlockCache }> {
  const disk = new CountingDisk();
  const options = { blockRows: 255, compaction: false } as const;
  const written = await Partition.open(disk, FOLDER, options);
  written.setTable(TABLE);
  const mutations = Array.from({ length: ROWS }, (_, row): ModelMutation => {
    return { key: [row < LINES ? 'LAX' : 'SAN', row % LINES], cells: cellsOf(row) };
  });
  written.apply(batchOf(TABLE, mutations), { ms: 1, counter: 0, site: 1, writer: 1 }, 'paris', { epoch: 1, seq: 0 });
  await written.flush();
  await written.close();
  const cache = new BlockCache(cacheBytes);
  const partition = await Partition.open(disk, FOLDER, { ...options, cache });
  await partition.get(keyOf(0));
  disk.begin();
  return { disk, partition, cache };
}

function bytesOf(disk: SimDisk, name: string): Buffer {
  const inode = disk.platter.folders.get(SEGMENT)!.get(name)!;
  if (inode === 'folder') throw new Error('a file was expected');
  const { buffer, byteOffset, length } = inode.bytes;
  return Buffer.from(buffer, byteOffset, length);
}

const shown = (row: number): unknown[] => [...cellsOf(row)];
const found = async (partition: Partition, row: number): Promise<unknown> =>
  (await partition.get(keyOf(row)))?.cells.map(({ column, value }) => [column, value]);

describe('units of a block', () => {
  it('are read of each file once for a get, all together', async () => {
    const { disk, partition } = await opened(0);
    for (const row of [5, 77, 130, 199]) {
      disk.begin();
      expect(await found(partition, row)).toEqual(shown(row));
      expect(disk.reads.toSorted()).toEqual([
        '1-origin.col',
        '2-line.col',
        '3-delay.col',
        '4-Ziel_Ort.col',
        '9-seen.col',
        'stamp.col',
      ]);
      expect(disk.together).toBe(disk.reads.length);
    }
    await partition.close();
  });

  it('are held, not the block; and the block once a quarter of them was missed and half of the cache is free', async () => {
    const roomy = await opened(2 ** 20);
    const small = await opened(12_000);
    for (const { partition } of [roomy, small]) {
      for (let row = 0; row < ROWS; row++) expect(await found(partition, row)).toEqual(shown(row));
    }
    // There are 25 of them.
    expect(roomy.disk.reads.filter((name) => name === '3-delay.col').length).toBeLessThanOrEqual(8);
    expect(small.disk.reads.filter((name) => name === '3-delay.col').length).toBeGreaterThanOrEqual(20);
    expect(small.cache.memoryBytes).toBeLessThanOrEqual(12_000);
    roomy.disk.begin();
    for (let row = 0; row < ROWS; row++) expect(partitionAtOnce(roomy.partition, row)).toBe(true);
    expect(roomy.disk.reads).toEqual([]);
    for (const { partition } of [roomy, small]) await partition.close();
  });

  it('that are damaged are named, and only who needs one of them is refused', async () => {
    const { disk, partition } = await opened(0);
    const file = await ColumnFile.open(disk, `${SEGMENT}/3-delay.col`, bytesOf(disk, '3-delay.col').length);
    const [{ at, stored }] = file.blocks as [(typeof file.blocks)[number]];
    // The last byte of the last unit.
    bytesOf(disk, '3-delay.col')[at + stored - 1]! ^= 1;
    expect(await found(partition, 5)).toEqual(shown(5));
    const message = /3-delay\.col, block 0, unit \d+: found checksum \w+, expected checksum \w+/;
    await expect(partition.get(keyOf(ROWS - 1))).rejects.toThrow(message);
    await expect(readAll(partition)).rejects.toThrow(message);
    const bounds = { from: keyOf(0), to: keyOf(4), direction: 'ascending' } as const;
    const wish = { columns: TABLE.columns.slice(2, 3), limit: 10, bytesMax: Number.POSITIVE_INFINITY, passes: null };
    expect((await partition.range({ bounds, ...wish })).rows).toEqual([[0], [7], [14], [21]]);
    await expect(partition.range({ bounds: { ...bounds, to: null }, ...wish, limit: 500 })).rejects.toThrow(message);
    await partition.close();
  });

  it('have a dictionary and a directory that are checked too', async () => {
    const { disk, partition } = await opened(0);
    const bytes = bytesOf(disk, '4-Ziel_Ort.col');
    const file = await ColumnFile.open(disk, `${SEGMENT}/4-Ziel_Ort.col`, bytes.length);
    const [{ at, dictionary }] = file.blocks as [(typeof file.blocks)[number]];
    expect(dictionary).toBe(true);
    bytes[at]! ^= 1;
    await expect(partition.get(keyOf(5))).rejects.toThrow(/4-Ziel_Ort\.col, block 0, dictionary: found checksum/);
    bytes[at]! ^= 1;
    await partition.close();
    const footerAt = bytes.length - 12 - bytes.readUInt32LE(bytes.length - 12);
    bytes[footerAt - 1]! ^= 1;
    const again = await Partition.open(disk, FOLDER, { compaction: false, cache: new BlockCache(0) });
    await expect(again.get(keyOf(5))).rejects.toThrow(/4-Ziel_Ort\.col, directory: found checksum/);
    await again.close();
  });

  it('of a directory that does not tell of every page are refused', async () => {
    const disk = new SimDisk();
    await disk.makeFolder('s');
    const file = await ColumnFileWriter.create(disk, 's/a.col', { column: null, kind: 'u8' }, 'never');
    const notes = { rows: 4, values: 4, deleted: 0, min: null, max: null, stampMin: null, stampMax: null };
    await file.addBlock(0, { ...uncut([Buffer.alloc(6)], 4), unitRows: 1 }, notes);
    const { bytes } = await file.finish();
    const error = await ColumnFile.open(disk, 's/a.col', bytes).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(Fault);
    expect(error).toMatchObject({ kind: 'corrupt', message: /directory: found 8 bytes, expected 4 pages/ });
  });
});

/** Whether a get answers without a promise. */
function partitionAtOnce(partition: Partition, row: number): boolean {
  return !(partition.get(keyOf(row)) instanceof Promise);
}
