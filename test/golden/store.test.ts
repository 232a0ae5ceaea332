import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeKey, encodeKey } from '@tidemark/columnar/key';
import { planQuery } from '@tidemark/model/query';
import type { Stamp } from '@tidemark/model/stamp';
import { NodeDisk } from '@tidemark/platform/node-disk';
import { Partition } from '@tidemark/store/partition';
import { Scan } from '@tidemark/store/query/scan';
import { readAll } from '@tidemark/store/testing/read-all';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cellsOf, FOLDER, LINES, TABLE, writeGolden } from './store-v4.ts';

/** What the frozen files hold, as their first reader computed it. */
const DIGEST = {
  gcWatermark: null,
  rows: 40,
  cells: 416,
  tombstones: 3,
  hash: '61420abd7dcc76d44ce387c7b03100c8daa77903db2351e2cc5d5e185e690e7d',
};

const folder = mkdtempSync(join(tmpdir(), 'tidemark-golden-'));
let partition: Partition;

beforeAll(async () => {
  // A copy, as opening may tidy up.
  cpSync(new URL('data/store-v4', import.meta.url), folder, { recursive: true });
  partition = await Partition.open(new NodeDisk(folder), FOLDER, { compaction: false });
});
afterAll(async () => {
  await partition.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Row i of a batch: 65,536 ticks make a ms, and every batch starts at counter 65,530. */
const stampAt = (ms: number, row: number): Stamp =>
  row < 6 ? { ms, counter: 65_530 + row, site: 2, writer: 7 } : { ms: ms + 1, counter: row - 6, site: 2, writer: 7 };

describe('store files of version 4', () => {
  it('hold the schema, the positions and both segments', () => {
    expect(partition.openNotes).toEqual([]);
    expect(partition.table).toEqual(TABLE);
    expect(partition.segmentCount).toBe(2);
    expect(partition.durablePosition('paris')).toEqual({ epoch: 3, seq: 2000 });
    expect(partition.durablePosition('tokyo')).toEqual({ epoch: 3, seq: 3000 });
  });

  it('are whole to the last block', async () => {
    await partition.verify();
    expect(await partition.digest()).toEqual(DIGEST);
  });

  it('give every row with the values and stamps that were written', async () => {
    const rows = await readAll(partition);
    expect(rows.map((row) => decodeKey(TABLE, row.key))).toEqual([
      ['S\0N', -5],
      ...Array.from({ length: LINES }, (_, line) => ['SAN', line]).filter(([, line]) => line !== 3),
    ]);
    const untouched = rows.find((row) => decodeKey(TABLE, row.key)[1] === 17)!;
    const written = cellsOf(17);
    expect(untouched).toEqual({
      key: new Uint8Array(encodeKey(TABLE, ['SAN', 17])),
      stamp: stampAt(1000, 17),
      cells: Object.entries(written).map(([id, value]) => ({ column: Number(id), value, stamp: stampAt(1000, 17) })),
    });
  });

  it('give deleted cells, later cells, and a row put again after it was deleted', async () => {
    const cellsAt = async (line: number) => {
      const row = await partition.get(encodeKey(TABLE, ['SAN', line]));
      return row === null ? null : row.cells.filter((cell) => cell.stamp.ms >= 2000);
    };
    expect(await cellsAt(1)).toEqual([3, 14].map((column) => ({ column, value: null, stamp: stampAt(2000, 0) })));
    expect(await cellsAt(2)).toEqual([
      { column: 12, value: -1, stamp: stampAt(2000, 1) },
      { column: 17, value: -1n, stamp: stampAt(2000, 1) },
    ]);
    expect(await cellsAt(3)).toBe(null);
    const again = await partition.get(encodeKey(TABLE, ['SAN', 4]));
    expect(again?.cells).toEqual([{ column: 3, value: 4, stamp: stampAt(2000, 4) }]);
  });

  it('are scanned by every column', async () => {
    for (const column of TABLE.columns) {
      const scan = new Scan([partition], planQuery(TABLE, { where: [[column.name, 'is-not-null', undefined]] }));
      let count = 0;
      for await (const block of scan.rows()) count += block.length;
      expect([column.name, count]).toEqual([column.name, expectedCount(column.id)]);
    }
  });

  it('are what is written today, but for the bytes of compression', async () => {
    const today = mkdtempSync(join(tmpdir(), 'tidemark-golden-'));
    try {
      const disk = new NodeDisk(today);
      await writeGolden(disk);
      const frozen = new NodeDisk(folder);
      for (const name of ['.', 'seg-000001', 'seg-000002']) {
        expect(await disk.list(`${FOLDER}/${name}`)).toEqual(await frozen.list(`${FOLDER}/${name}`));
      }
      const again = await Partition.open(disk, FOLDER, { compaction: false });
      expect(await again.digest()).toEqual(DIGEST);
      await again.close();
    } finally {
      rmSync(today, { recursive: true, force: true });
    }
  });
});

function expectedCount(column: number): number {
  if (column <= 2) return LINES;
  if (column === 12) return 2;
  // Line 3 is deleted. Line 1 has no `delay` and no `tries` any more, line 4 nothing but its `delay`.
  const isLost = (line: number): boolean =>
    line === 3 || (line === 1 && [3, 14].includes(column)) || (line === 4 && column !== 3);
  return Array.from({ length: LINES }, (_, line) => line).filter((line) => !isLost(line) && column in cellsOf(line))
    .length;
}
