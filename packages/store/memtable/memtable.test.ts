import { ROW, RowBatch } from '@tidemark/columnar/row-batch';
import type { Table } from '@tidemark/model/table';
import { describe, expect, it } from 'vitest';
import { Memtable } from './memtable.ts';
import { gather } from './memtable-source.ts';

const ROWS = 16_384;
const TABLE: Table = {
  id: 1,
  name: 'many',
  key: [1],
  dynamicColumns: 0,
  dynamicColumnsMax: 0,
  columns: [
    { id: 1, name: 'id', type: { name: 'int' }, dropped: false },
    { id: 2, name: 'dense', type: { name: 'int' }, dropped: false },
    { id: 3, name: 'sparse', type: { name: 'string' }, dropped: false },
  ],
};
const [, DENSE, SPARSE] = TABLE.columns as [Table['columns'][0], Table['columns'][0], Table['columns'][0]];
const key = (number: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(number);
  return bytes;
};

describe('a memtable', () => {
  it.each([0, 1 << 20, 64 << 20])(
    'of %i bytes holds the newest cells of each key when it becomes large',
    (bytesMax) => {
      const memtable = new Memtable(bytesMax);
      const cells = new Map<number, { dense: number; sparse: string | null }>();
      const batch = new RowBatch();
      for (let record = 0; record < 8; record++) {
        batch.clear();
        for (let i = 0; i < ROWS; i++) {
          // Every third row is one that came before.
          const number = i % 3 === 0 ? (i * 7_919 * record) % (record * ROWS + 1) : record * ROWS + i;
          const sparse = i % 50 === 0 ? `${record}:${i}` : (cells.get(number)?.sparse ?? null);
          const at = batch.addRow(ROW.upsert);
          batch.keys.setBytes(at, key(number));
          batch.column(TABLE, DENSE.id).setNumber(at, record * ROWS + i);
          if (i % 50 === 0) batch.column(TABLE, SPARSE.id).setString(at, `${record}:${i}`);
          cells.set(number, { dense: record * ROWS + i, sparse });
        }
        batch.seal();
        memtable.apply(batch, { ms: 1_000 + record, counter: 0, site: 1, writer: 1 });
      }
      expect(memtable.rowCount).toBe(cells.size);
      const numbers = [...cells.keys()];
      const rows = gather(
        memtable,
        Uint32Array.from(numbers, (number) => memtable.find(key(number))),
        {
          columns: new Map([
            [DENSE.id, 'i32'],
            [SPARSE.id, 'bytes'],
          ]),
          keys: true,
          stamps: true,
        },
      );
      const dense = rows.columns.get(DENSE.id)!.vector;
      const sparse = rows.columns.get(SPARSE.id)!.vector;
      for (const [i, number] of numbers.entries()) {
        const { dense: wanted, sparse: text } = cells.get(number)!;
        if (!rows.keys.bytesAt(i).equals(key(number)) || dense.i32[i] !== wanted) throw new Error(`key ${number}`);
        if ((sparse.presence[i] === 1 ? sparse.stringAt(i) : null) !== text) throw new Error(`text of key ${number}`);
      }
    },
  );
});
