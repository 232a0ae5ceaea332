/** The rows of the frozen partition `data/store-v4`, and how it was written: every type, state and kind of stamp. */

import { encodeKey } from '@tidemark/columnar/key';
import { ROW, RowBatch } from '@tidemark/columnar/row-batch';
import type { Value } from '@tidemark/model/column-type';
import type { Table } from '@tidemark/model/table';
import type { Disk } from '@tidemark/platform/disk';
import { Partition } from '@tidemark/store/partition';

export const FOLDER = 'travel/flights/0';

export const TABLE: Table = {
  id: 1,
  name: 'flights',
  columns: [
    { id: 1, name: 'origin', type: { name: 'string' }, dropped: false },
    { id: 2, name: 'line', type: { name: 'int' }, dropped: false },
    { id: 3, name: 'delay', type: { name: 'int' }, dropped: false },
    { id: 4, name: 'Ziel/Ort', type: { name: 'string' }, dropped: false },
    { id: 5, name: 'distance', type: { name: 'long' }, dropped: false },
    { id: 6, name: 'late', type: { name: 'boolean' }, dropped: false },
    { id: 7, name: 'share', type: { name: 'double' }, dropped: false },
    { id: 8, name: 'photo', type: { name: 'bytes' }, dropped: false },
    { id: 9, name: 'seen', type: { name: 'timestamp' }, dropped: false },
    { id: 10, name: 'day', type: { name: 'date' }, dropped: false },
    { id: 11, name: 'price', type: { name: 'decimal', precision: 12, scale: 2 }, dropped: false },
    { id: 12, name: 'gate', type: { name: 'int' }, dropped: false },
    { id: 13, name: 'vip', type: { name: 'boolean' }, dropped: false, dynamic: true },
    { id: 14, name: 'tries', type: { name: 'int' }, dropped: false, dynamic: true },
    { id: 15, name: 'score', type: { name: 'double' }, dropped: false, dynamic: true },
    { id: 16, name: 'left', type: { name: 'timestamp' }, dropped: false, dynamic: true },
    { id: 17, name: 'fee', type: { name: 'decimal', precision: 12, scale: 2 }, dropped: false, dynamic: true },
    { id: 18, name: 'note', type: { name: 'string' }, dropped: false, dynamic: true },
    { id: 19, name: 'scan', type: { name: 'bytes' }, dropped: false, dynamic: true },
    { id: 20, name: 'remarks', type: { name: 'string' }, dropped: false, dynamic: true },
  ],
  key: [1, 2],
  dynamicColumnsMax: 8,
  dynamicColumns: 8,
};

type Cells = Readonly<Record<number, Value | null>>;

/** Cells of row `line` of an airport: enough of them that there are units, some of them compressed, in every encoding there is. */
export function cellsOf(line: number): Cells {
  return {
    3: line * 7 - 60,
    4: ['LAX', 'Tōkyō', '', 'Saint-Denis de la Réunion '.repeat(12)][line % 4]!,
    5: 9_007_199_254_740_993n * BigInt(line - 5),
    6: line % 2 === 0,
    // Decimals in the second block.
    7: line < 32 ? [0.1, Number.NaN, Number.NEGATIVE_INFINITY, -0][line % 4]! : line / 4,
    8: line === 20 ? new Uint8Array(600).fill(line) : new Uint8Array([0, 255, line]),
    9: 978_307_200_000_000 + line * line * 600 + line,
    10: 11_323 + line,
    11: -12_345n + BigInt(line),
    // In the second block only: the first is not in its file.
    ...(line === 35 && { 12: 35 }),
    // Few rows have these, so that they share a file; some rows have none of them, and a unit of four rows neither.
    ...(line % 9 === 0 && { 13: line % 2 === 1, 18: ['Tōkyō', ''][line % 2]! }),
    ...(line % 9 === 1 && { 14: -line, 15: line / 8, 19: new Uint8Array([line, 0]) }),
    ...(line % 17 === 2 && { 13: true, 16: -1, 17: 12_345_678_901n, 18: 'LAX' }),
    // Has grown out of it.
    20: `remark ${line} of a flight`,
  };
}

export const LINES = 40;

/** Two flushes of two origins, so two segments that overlap, and two manifests. */
export async function writeGolden(disk: Disk): Promise<void> {
  const partition = await Partition.open(disk, FOLDER, { blockRows: 32, compaction: false });
  partition.setTable(TABLE);
  const put = (ms: number, origin: string, rows: readonly (readonly [string, number, Cells | null])[]): void => {
    const batch = new RowBatch();
    for (const [airport, line, cells] of rows) addRow(batch, airport, line, cells);
    batch.seal();
    partition.apply(batch, { ms, counter: 65_530, site: 2, writer: 7 }, origin, { epoch: 3, seq: ms });
  };
  put(
    1000,
    'paris',
    Array.from({ length: LINES }, (_, line) => ['SAN', line, cellsOf(line)] as const),
  );
  await partition.flush();
  put(2000, 'paris', [
    // A cell deleted, a cell put later than its row's others, a row deleted, and one deleted and put again.
    ['SAN', 1, { 3: null, 14: null }],
    ['SAN', 2, { 12: -1, 17: -1n }],
    ['SAN', 3, null],
    ['SAN', 4, null],
    ['SAN', 4, { 3: 4 }],
    ['S\0N', -5, {}],
  ]);
  put(3000, 'tokyo', [['SAN', 9999, null]]);
  await partition.flush();
  await partition.close();
}

function addRow(batch: RowBatch, airport: string, line: number, cells: Cells | null): void {
  const row = batch.addRow(cells === null ? ROW.delete : ROW.upsert);
  batch.keys.setBytes(row, encodeKey(TABLE, [airport, line]));
  for (const [id, value] of Object.entries(cells ?? {})) {
    const vector = batch.column(TABLE, Number(id));
    if (value === null) vector.setDeleted(row);
    else if (typeof value === 'string') vector.setString(row, value);
    else if (typeof value === 'bigint') vector.setBigint(row, value);
    else if (typeof value === 'object') vector.setBytes(row, value);
    else vector.setNumber(row, Number(value));
  }
}
