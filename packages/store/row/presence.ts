/** Questions about which rows of a vector have a value. */

import { CELL } from '@tidemark/columnar/column-vector';

/** Four rows that have a value, as one number. */
const FOUR_VALUES = CELL.value * 0x01010101;

/** True when each of rows `from … to` has a value. */
export function areAllValues(presence: Uint8Array, from: number, to: number): boolean {
  if (from >= to) return true;
  if (to > presence.length) return false;
  let row = from;
  for (; row < to && ((presence.byteOffset + row) & 3) !== 0; row++) if (presence[row] !== CELL.value) return false;
  if (row >= to) return true;
  const fours = new Int32Array(presence.buffer, presence.byteOffset + row, (to - row) >> 2);
  for (let i = 0; i < fours.length; i++) if (fours[i] !== FOUR_VALUES) return false;
  for (row += fours.length * 4; row < to; row++) if (presence[row] !== CELL.value) return false;
  return true;
}
