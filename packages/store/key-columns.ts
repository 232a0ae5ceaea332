/** Key columns as vectors of their own, taken apart from the encoded keys, so that scans see them like any column. */

import { physicalOf } from '@tidemark/schema/column-type';
import { ColumnVector } from '@tidemark/schema/column-vector';
import { readKeyPart } from '@tidemark/schema/key';
import { keyColumns, type Table } from '@tidemark/schema/table';

/** For rows `from … to` of `keys`: the vectors of the table's key columns, by column id; row 0 is `from`. */
export function splitKeys(table: Table, keys: ColumnVector, from: number, to: number): Map<number, ColumnVector> {
  const columns = keyColumns(table);
  const vectors = columns.map((column) => new ColumnVector(physicalOf(column.type)));
  for (const vector of vectors) vector.reserveRows(to - from);
  for (let row = from; row < to; row++) {
    const key = keys.bytesAt(row);
    let at = 0;
    columns.forEach(({ type }, i) => {
      const part = readKeyPart(type, key, at);
      at = part.next;
      setValue(vectors[i]!, row - from, part.value);
    });
  }
  return new Map(columns.map((column, i) => [column.id, vectors[i]!]));
}

function setValue(vector: ColumnVector, row: number, value: ReturnType<typeof readKeyPart>['value']): void {
  if (typeof value === 'string') vector.setString(row, value);
  else if (typeof value === 'bigint') vector.setBigint(row, value);
  else if (typeof value === 'object') vector.setBytes(row, value);
  else vector.setNumber(row, Number(value));
}
