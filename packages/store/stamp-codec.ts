/**
 * Stamps of some rows as three sections: ms, counter, and site × 2^24 + writer; each encoded as a column (see
 * `packages/schema/column-codec.ts`) of whole numbers. A row without one is absent in all three.
 */

import { decodeColumn, encodeColumn } from '@tidemark/schema/column-codec';
import { CELL, ColumnVector } from '@tidemark/schema/column-vector';
import { NO_STAMP } from './rows.ts';

const COUNTER_UNIT = 4_294_967_296;

export class StampCodec {
  readonly #ms = new ColumnVector('whole');
  readonly #counter = new ColumnVector('i32');
  readonly #tail = new ColumnVector('whole');

  /** Stamps of rows `from … to`, those for which `has` says so. Null when there are none. */
  encode(
    ms: Float64Array,
    low: Float64Array,
    from: number,
    to: number,
    has: (row: number) => boolean,
  ): [Buffer, Buffer, Buffer] | null {
    const vectors = [this.#ms, this.#counter, this.#tail];
    for (const vector of vectors) vector.reserveRows(to - from);
    for (const vector of vectors) vector.clear(to - from);
    let count = 0;
    for (let row = from; row < to; row++) {
      if (!has(row)) continue;
      count++;
      const counter = Math.floor(low[row]! / COUNTER_UNIT);
      this.#ms.setNumber(row - from, ms[row]!);
      this.#counter.setNumber(row - from, counter);
      this.#tail.setNumber(row - from, low[row]! - counter * COUNTER_UNIT);
    }
    if (count === 0) return null;
    const [first, second, third] = vectors.map((vector) => encodeColumn(vector, null, 0, to - from));
    return [first!, second!, third!];
  }

  /** Sets the stamps that are there; leaves the others. @throws {Fault} `corrupt`: lengths do not add up. */
  decode(sections: readonly Buffer[], rowCount: number, ms: Float64Array, low: Float64Array): void {
    decodeColumn(sections[0]!, rowCount, this.#ms);
    decodeColumn(sections[1]!, rowCount, this.#counter);
    decodeColumn(sections[2]!, rowCount, this.#tail);
    for (let row = 0; row < rowCount; row++) {
      if (this.#ms.presence[row] !== CELL.value) continue;
      ms[row] = this.#ms.f64[row]!;
      low[row] = this.#counter.i32[row]! * COUNTER_UNIT + this.#tail.f64[row]!;
    }
  }
}

/** Smallest and largest stamp of the rows that have one. */
export function stampBounds(
  ms: Float64Array,
  low: Float64Array,
  from: number,
  to: number,
  has: (row: number) => boolean,
): { stampMin: [number, number] | null; stampMax: [number, number] | null } {
  let min = -1;
  let max = -1;
  for (let row = from; row < to; row++) {
    if (ms[row] === NO_STAMP || !has(row)) continue;
    if (min === -1 || ms[row]! < ms[min]! || (ms[row] === ms[min] && low[row]! < low[min]!)) min = row;
    if (max === -1 || ms[row]! > ms[max]! || (ms[row] === ms[max] && low[row]! > low[max]!)) max = row;
  }
  if (min === -1) return { stampMin: null, stampMax: null };
  return { stampMin: [ms[min]!, low[min]!], stampMax: [ms[max]!, low[max]!] };
}
