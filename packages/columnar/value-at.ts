/** Single values into and out of a vector, for whoever needs one and not a column. */

import { type ColumnType, physicalOf, type Value } from '@tidemark/model/column-type';
import type { ColumnVector } from './column-vector.ts';

/** The value a vector holds at a row that has one. Bytes are copied. */
export function valueAt(type: ColumnType, vector: ColumnVector, row: number): Value {
  switch (physicalOf(type)) {
    case 'u8':
      return vector.u8[row] === 1;
    case 'i32':
      return vector.i32[row]!;
    case 'f64':
    case 'whole':
      return vector.f64[row]!;
    case 'i64':
      return vector.i64[row]!;
    case 'bytes':
      return type.name === 'string' ? vector.stringAt(row) : new Uint8Array(vector.bytesAt(row));
  }
}

/** Sets a row to a value, which must be of the vector's kind. */
export function setValue(vector: ColumnVector, row: number, value: Value): void {
  if (typeof value === 'bigint') vector.setBigint(row, value);
  else if (typeof value === 'string') vector.setString(row, value);
  else if (value instanceof Uint8Array) vector.setBytes(row, value);
  else vector.setNumber(row, Number(value));
}
