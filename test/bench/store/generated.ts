/** A table of any number of columns after its key, like YCSB's: row n's cells follow from n. */

import { encodeKey } from '@tidemark/columnar/key';
import { ROW, RowBatch } from '@tidemark/columnar/row-batch';
import type { Column, Table } from '@tidemark/model/table';
import type { MutateBody } from '@tidemark/record/envelope';
import { encodeMutate } from '@tidemark/record/mutate';

const RECORD_ROWS = 8_192;
/** Primes: cells of neighbouring rows and columns differ as if by chance. */
const [ROW_STEP, COLUMN_STEP, RANGE] = [7_919, 104_729, 1_000];

/** The key `id`, a long, and columns `c0` of ints, `c1` of doubles with two places, `c2` of strings, `c3` of ints … */
export function generatedTable(columns: number): Table {
  const types = ['int', 'double', 'string'] as const;
  const cells = Array.from(
    { length: columns },
    (_, i): Column => ({ id: i + 2, name: `c${i}`, type: { name: types[i % 3]! }, dropped: false }),
  );
  return {
    id: 1,
    name: 'generated',
    columns: [{ id: 1, name: 'id', type: { name: 'long' }, dropped: false }, ...cells],
    key: [1],
    dynamicColumnsMax: 0,
    dynamicColumns: 0,
  };
}

/** 0 … 999. */
export function generatedNumber(row: number, column: number): number {
  return (row * ROW_STEP + column * COLUMN_STEP) % RANGE;
}

/** Rows 0 … count − 1 in an order as if by chance. */
export function* generatedBodies(table: Table, count: number, rowOf: (n: number) => number): Generator<MutateBody> {
  const batch = new RowBatch();
  const rows = Uint32Array.from({ length: RECORD_ROWS }, (_, i) => i);
  for (let from = 0; from < count; from += RECORD_ROWS) {
    batch.clear();
    const to = Math.min(from + RECORD_ROWS, count);
    for (let n = from; n < to; n++) addRow(batch, table, rowOf(n));
    batch.seal();
    yield encodeMutate({ table: 1, schemaVersion: 1, requestId: '', source: null }, batch, rows, 0, to - from);
  }
}

function addRow(batch: RowBatch, table: Table, row: number): void {
  const at = batch.addRow(ROW.upsert);
  batch.keys.setBytes(at, encodeKey(table, [BigInt(row)]));
  for (const [i, { id, type }] of table.columns.slice(1).entries()) {
    const number = generatedNumber(row, i);
    const vector = batch.column(table, id);
    if (type.name === 'string') vector.setString(at, `value-${number % 100}`);
    else vector.setNumber(at, type.name === 'double' ? number / 100 : number);
  }
}
