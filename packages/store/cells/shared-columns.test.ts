import { encodeKey, prefixEnd } from '@tidemark/columnar/key';
import type { Value } from '@tidemark/model/column-type';
import { planQuery } from '@tidemark/model/query';
import type { Column, Table } from '@tidemark/model/table';
import { isFault } from '@tidemark/platform/fault';
import { integerBetween, SeededRandom } from '@tidemark/platform/random';
import { SimDisk } from '@tidemark/platform/sim/sim-disk';
import { describe, expect, it } from 'vitest';
import { Partition } from '../partition.ts';
import { Scan } from '../query/scan.ts';
import { BlockCache } from '../segment/block-cache.ts';
import { batchOf, type ModelMutation } from '../testing/model.ts';
import { readAll } from '../testing/read-all.ts';

const FOLDER = 'travel/wide/0';
const COLUMNS = 2_000;
const PER_ROW = 30;
const FIRST_ID = 10;
/** What a segment has beside its columns. */
const HEADS = ['1-place.col', '2-line.col', '3-name.col', 'flags.col', 'key.col', 'stamp.col'];

const dynamic = (i: number): Column => {
  return {
    id: FIRST_ID + i,
    name: `c${i}`,
    type: { name: i % 3 === 0 ? 'string' : 'double' },
    dropped: false,
    dynamic: true,
  };
};
const TABLE: Table = {
  id: 1,
  name: 'wide',
  key: [1, 2],
  dynamicColumnsMax: 4_000,
  dynamicColumns: COLUMNS,
  columns: [
    { id: 1, name: 'place', type: { name: 'string' }, dropped: false },
    { id: 2, name: 'line', type: { name: 'int' }, dropped: false },
    { id: 3, name: 'name', type: { name: 'string' }, dropped: false },
    ...Array.from({ length: COLUMNS }, (_, i) => dynamic(i)),
  ],
};

/** Rows of several places, each with 30 of the columns. */
function rowsOf(count: number, seed: number): ModelMutation[] {
  const random = new SeededRandom(seed);
  return Array.from({ length: count }, (_, n) => {
    const cells = new Map<number, Value | null>([[3, `row ${n}`]]);
    for (let i = 0; i < PER_ROW; i++) {
      const column = integerBetween(random, 0, COLUMNS - 1);
      cells.set(FIRST_ID + column, column % 3 === 0 ? `v${n % 7}` : n / 4);
    }
    return { key: [`p${Math.floor(n / 50)}`, n % 50], cells };
  });
}

async function open(disk: SimDisk, cache = new BlockCache(64 << 20)): Promise<Partition> {
  const partition = await Partition.open(disk, FOLDER, { compaction: false, cache });
  partition.setTable(TABLE);
  return partition;
}

let seq = 0;
function write(partition: Partition, mutations: readonly ModelMutation[]): void {
  const at = seq++;
  partition.apply(batchOf(TABLE, mutations), { ms: 1_000 + at, counter: 0, site: 1, writer: 1 }, 'paris', {
    epoch: 1,
    seq: at,
  });
}

const filesOf = async (disk: SimDisk, segment: string): Promise<string[]> =>
  (await disk.list(`${FOLDER}/${segment}`)).filter((name) => !name.startsWith('live-')).sort();

describe('columns that few rows have', () => {
  it('share one file of a segment, also after a merge, and hold what was written', async () => {
    const disk = new SimDisk();
    const partition = await open(disk);
    const rows = rowsOf(600, 1);
    write(partition, rows.slice(0, 400));
    await partition.flush();
    expect(await filesOf(disk, 'seg-000001')).toEqual([...HEADS, 'cells.col'].sort());
    // Half of the rows again, so that their older cells are joined with the newer.
    write(partition, rowsOf(200, 2));
    await partition.flush();
    write(partition, rows.slice(400));
    const before = await readAll(partition);
    const digest = await partition.digest();
    expect(before).toHaveLength(600);
    expect(before.reduce((sum, { cells }) => sum + cells.length, 0)).toBe(digest.cells);
    await partition.flush();
    for (const { key } of before.slice(0, 3)) await partition.get(key);
    expect(await partition.digest()).toEqual(digest);
    await partition.compact();
    expect(await partition.digest()).toEqual(digest);
    expect(await readAll(partition)).toEqual(before);
    for (const row of before) expect(await partition.get(row.key)).toEqual(row);
    await partition.close();
  });

  it('are read with one read of one file, a range of rows as well as a single row', async () => {
    const disk = new SimDisk();
    const written = await open(disk);
    write(written, rowsOf(600, 3));
    await written.flush();
    await written.close();
    const read: string[] = [];
    disk.hook = ({ kind, path }) => {
      if (kind === 'read') read.push(path.slice(path.lastIndexOf('/') + 1));
      return 'ok';
    };
    const from = encodeKey(TABLE, ['p3']);
    const bounds = { from, to: prefixEnd(from), direction: 'ascending' } as const;
    const wish = { bounds, columns: TABLE.columns, limit: 20, bytesMax: Number.POSITIVE_INFINITY, passes: null };
    for (const ask of [
      async (partition: Partition) => expect((await partition.range(wish)).rows).toHaveLength(20),
      async (partition: Partition) => expect(await partition.get(encodeKey(TABLE, ['p3', 7]))).not.toBe(null),
    ]) {
      const partition = await open(disk);
      read.length = 0;
      await ask(partition);
      // Its header and its end, when it is opened; then the cells.
      expect(read.filter((name) => name === 'cells.col')).toHaveLength(3);
      expect(read.filter((name) => ![...HEADS, 'cells.col'].includes(name))).toEqual([]);
      read.length = 0;
      await ask(partition);
      expect(read).toEqual([]);
      await partition.close();
    }
  });

  it('get a file of their own once they have grown, and keep it', async () => {
    const disk = new SimDisk();
    const partition = await open(disk);
    const text = 'x'.repeat(60_000);
    const note = (n: number): ModelMutation => ({
      key: [`p${n}`, 0],
      cells: new Map<number, Value | null>([
        [FIRST_ID, text],
        [FIRST_ID + 1, n],
      ]),
    });
    for (const flush of [0, 1, 2, 3]) {
      write(
        partition,
        Array.from({ length: 5 }, (_, n) => note(flush * 5 + n)),
      );
      await partition.flush();
      expect(await filesOf(disk, `seg-00000${flush + 1}`)).not.toContain('10-c0.col');
    }
    await partition.compact();
    expect(await filesOf(disk, 'seg-000005')).toEqual(expect.arrayContaining(['10-c0.col', 'cells.col']));
    // A few of its rows alone are less than that again.
    write(partition, [{ key: ['p1', 0], cells: new Map([[FIRST_ID + 1, -1]]) }]);
    await partition.flush();
    expect(await filesOf(disk, 'seg-000006')).toContain('10-c0.col');
    expect((await partition.get(encodeKey(TABLE, ['p1', 0])))!.cells.map(({ value }) => value)).toEqual([text, -1]);
    await partition.close();
  });

  it('are scanned one by one: where there are none, there is nothing', async () => {
    const disk = new SimDisk();
    const partition = await open(disk);
    const rows = rowsOf(300, 4);
    write(partition, rows);
    await partition.flush();
    const id = [...(rows[17]!.cells as ReadonlyMap<number, Value | null>).keys()].find((one) => one > 3)!;
    const { name } = TABLE.columns.find((column) => column.id === id)!;
    const scan = new Scan(
      [partition],
      planQuery(TABLE, { select: ['name', name], where: [[name, 'is-not-null', undefined]] }),
    );
    const found: unknown[] = [];
    for await (const block of scan.rows()) found.push(...block.map((row) => [row.name, row[name]]));
    const expected = rows.flatMap(({ cells }) =>
      cells !== 'delete' && cells.has(id) ? [[cells.get(3), cells.get(id)]] : [],
    );
    expect(found.sort()).toEqual(expected.sort());
    await partition.close();
  });

  it('are refused by the name of their file when a byte of it is wrong, and other columns are read', async () => {
    const disk = new SimDisk();
    const partition = await open(disk);
    write(partition, rowsOf(100, 5));
    await partition.flush();
    await partition.close();
    const inode = disk.platter.folders.get(`${FOLDER}/seg-000001`)!.get('cells.col')!;
    if (inode === 'folder') throw new Error('cells.col is a folder');
    for (const at of [5, 100, inode.length - 100, inode.length - 2]) {
      inode.bytes[at]! ^= 1;
      const again = await open(disk);
      const error: unknown = await readAll(again).catch((fault: unknown) => fault);
      expect([at, isFault(error, 'corrupt'), String(error)]).toEqual([at, true, expect.stringContaining('cells.col')]);
      const names = new Scan([again], planQuery(TABLE, { select: ['name'] }));
      let count = 0;
      for await (const block of names.rows()) count += block.length;
      expect(count).toBe(100);
      await again.close();
      inode.bytes[at]! ^= 1;
    }
  });
});
