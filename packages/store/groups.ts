/** Numbers the groups that rows fall into, by the values of some columns. */

import type { Value } from '@tidemark/schema/column-type';
import { CELL, type ColumnVector } from '@tidemark/schema/column-vector';
import type { Column } from '@tidemark/schema/table';
import { Fault } from '@tidemark/world/fault';
import { fromRaw, rawAt } from './raw-value.ts';
import type { RawValue } from './zone.ts';

/** A scan may make so many groups; more are refused rather than held in memory. */
export const GROUPS_MAX = 1_000_000;
/** Above every value number, so that two of them make one number without loss. */
const PAIR = 2 ** 21;

export class Groups {
  readonly #columns: readonly ColumnNumbers[];
  /** Per column after the first: number so far × PAIR + value's number → number of the combination. */
  readonly #pairs: readonly Map<number, number>[];
  /** Per column after the first, and per combination: the two it is made of. */
  readonly #firsts: readonly number[][];
  readonly #seconds: readonly number[][];
  #count: number;

  constructor(columns: readonly Column[]) {
    this.#columns = columns.map((column) => new ColumnNumbers(column));
    const later = columns.slice(1);
    this.#pairs = later.map(() => new Map());
    this.#firsts = later.map(() => []);
    this.#seconds = later.map(() => []);
    // Without columns every row is of the one group, which is there even when there are no rows.
    this.#count = columns.length === 0 ? 1 : 0;
  }

  get count(): number {
    return this.#count;
  }

  /** Per given row the number of its group. @throws {Fault} `invalid`: too many groups. */
  number(rows: Uint32Array, vector: (column: number) => ColumnVector | undefined): Uint32Array {
    const numbers = new Uint32Array(rows.length);
    this.#columns.forEach((column, i) => {
      const own = column.number(rows, vector(column.column.id));
      if (i === 0) numbers.set(own);
      else this.#combine(i - 1, numbers, own);
    });
    if (this.#columns.length === 1) this.#count = this.#columns[0]!.count;
    else if (this.#columns.length > 1) this.#count = this.#firsts.at(-1)!.length;
    if (this.#count > GROUPS_MAX) {
      throw new Fault('invalid', `the scan makes more than ${GROUPS_MAX} groups`, { expected: GROUPS_MAX });
    }
    return numbers;
  }

  /** The value of each group column in a group; null where rows have none. */
  valuesOf(group: number): (Value | null)[] {
    const values: (Value | null)[] = [];
    let number = group;
    for (let i = this.#columns.length - 1; i > 0; i--) {
      values.unshift(this.#columns[i]!.valueOf(this.#seconds[i - 1]![number]!));
      number = this.#firsts[i - 1]![number]!;
    }
    if (this.#columns.length > 0) values.unshift(this.#columns[0]!.valueOf(number));
    return values;
  }

  #combine(level: number, numbers: Uint32Array, own: Uint32Array): void {
    const pairs = this.#pairs[level]!;
    for (let i = 0; i < numbers.length; i++) {
      const pair = numbers[i]! * PAIR + own[i]!;
      let number = pairs.get(pair);
      if (number === undefined) {
        number = this.#firsts[level]!.length;
        pairs.set(pair, number);
        this.#firsts[level]!.push(numbers[i]!);
        this.#seconds[level]!.push(own[i]!);
      }
      numbers[i] = number;
    }
  }
}

/** Numbers the values of one column in order of appearance. */
class ColumnNumbers {
  readonly column: Column;
  readonly #numbers = new Map<number | bigint | string | null, number>();
  readonly #values: (RawValue | null)[] = [];

  constructor(column: Column) {
    this.column = column;
  }

  get count(): number {
    return this.#values.length;
  }

  valueOf(number: number): Value | null {
    const raw = this.#values[number]!;
    return raw === null ? null : fromRaw(this.column.type, raw);
  }

  number(rows: Uint32Array, vector: ColumnVector | undefined): Uint32Array {
    const numbers = new Uint32Array(rows.length);
    let lastStart = -1;
    let lastLength = -1;
    let last = 0;
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]!;
      if (vector === undefined || vector.presence[row] !== CELL.value) numbers[i] = this.#numberOf(null, null, row);
      else if (vector.kind !== 'bytes') {
        numbers[i] = this.#numberOf(vector.kind === 'i64' ? vector.i64[row]! : numberAt(vector, row), vector, row);
      } else {
        // Neighbours often are the same entry of a dictionary.
        if (vector.starts[row] !== lastStart || vector.lengths[row] !== lastLength) {
          lastStart = vector.starts[row]!;
          lastLength = vector.lengths[row]!;
          last = this.#numberOf(vector.arena.toString('latin1', lastStart, lastStart + lastLength), vector, row);
        }
        numbers[i] = last;
      }
    }
    return numbers;
  }

  #numberOf(key: number | bigint | string | null, vector: ColumnVector | null, row: number): number {
    let number = this.#numbers.get(key);
    if (number === undefined) {
      number = this.#values.length;
      if (number > GROUPS_MAX) {
        throw new Fault('invalid', `the scan makes more than ${GROUPS_MAX} groups`, { expected: GROUPS_MAX });
      }
      this.#numbers.set(key, number);
      this.#values.push(vector === null ? null : rawAt(vector, row));
    }
    return number;
  }
}

function numberAt(vector: ColumnVector, row: number): number {
  if (vector.kind === 'i32') return vector.i32[row]!;
  return vector.kind === 'u8' ? vector.u8[row]! : vector.f64[row]!;
}
