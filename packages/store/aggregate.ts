/** Aggregates: count, sum, min, max, avg of the rows of each group. Cells without a value count for nothing. */

import type { Value } from '@tidemark/schema/column-type';
import { CELL, type ColumnVector } from '@tidemark/schema/column-vector';
import type { Output } from '@tidemark/schema/query';
import { fromRaw, rawAt } from './raw-value.ts';
import { compareRaw, type RawValue } from './zone.ts';

export interface Aggregate {
  /** Takes rows; `groups[i]` is the group of `rows[i]`. No vector: none of them has a cell. */
  add(rows: Uint32Array, groups: Uint32Array, vector: ColumnVector | undefined): void;
  /** The result for a group; null when it had no value (0 for a count). */
  result(group: number): Value | null;
}

export function makeAggregate(
  output: Extract<Output, { readonly kind: 'count' | 'sum' | 'min' | 'max' | 'avg' }>,
): Aggregate {
  if (output.kind === 'count') return new Count(output.column === null);
  return output.kind === 'sum' || output.kind === 'avg' ? new Sum(output) : new Extreme(output);
}

/** A Float64Array that grows; what was never set is 0. */
class Numbers {
  values = new Float64Array(16);

  reserve(index: number): void {
    if (index < this.values.length) return;
    const larger = new Float64Array(Math.max(index + 1, this.values.length * 2));
    larger.set(this.values);
    this.values = larger;
  }

  at(index: number): number {
    return this.values[index] ?? 0;
  }
}

class Count implements Aggregate {
  readonly #counts = new Numbers();
  readonly #all: boolean;

  /** `all`: rows, whatever their cells. */
  constructor(all: boolean) {
    this.#all = all;
  }

  add(rows: Uint32Array, groups: Uint32Array, vector: ColumnVector | undefined): void {
    for (let i = 0; i < rows.length; i++) {
      if (!this.#all && (vector === undefined || vector.presence[rows[i]!] !== CELL.value)) continue;
      this.#counts.reserve(groups[i]!);
      this.#counts.values[groups[i]!]!++;
    }
  }

  result(group: number): Value {
    return BigInt(this.#counts.at(group));
  }
}

/** Whole numbers are added in doubles up to here and then moved into a bigint, so that no sum is ever rounded. */
const EXACT_MAX = 2 ** 52;

/** Sums of whole numbers are exact whatever their size; those of doubles are rounded as doubles are. */
class Sum implements Aggregate {
  readonly #output: Output;
  readonly #counts = new Numbers();
  readonly #sums = new Numbers();
  /** By group, what did not fit `#sums`. */
  readonly #longs = new Map<number, bigint>();

  constructor(output: Output) {
    this.#output = output;
  }

  add(rows: Uint32Array, groups: Uint32Array, vector: ColumnVector | undefined): void {
    if (vector === undefined) return;
    const isDouble = vector.kind === 'f64';
    const numbers = isDouble ? vector.f64 : vector.i32;
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]!;
      const group = groups[i]!;
      if (vector.presence[row] !== CELL.value) continue;
      this.#counts.reserve(group);
      this.#sums.reserve(group);
      this.#counts.values[group]!++;
      if (vector.kind === 'i64') this.#longs.set(group, (this.#longs.get(group) ?? 0n) + vector.i64[row]!);
      else {
        const sum = this.#sums.values[group]! + numbers[row]!;
        this.#sums.values[group] = sum;
        if (!isDouble && (sum > EXACT_MAX || sum < -EXACT_MAX)) this.#spill(group);
      }
    }
  }

  result(group: number): Value | null {
    const count = this.#counts.at(group);
    if (count === 0) return null;
    const { column, kind } = this.#output;
    const isDouble = column?.type.name === 'double';
    if (isDouble) return kind === 'avg' ? this.#sums.at(group) / count : this.#sums.at(group);
    const sum = (this.#longs.get(group) ?? 0n) + BigInt(this.#sums.at(group));
    if (kind !== 'avg') return sum;
    const scale = column?.type.name === 'decimal' ? 10 ** column.type.scale : 1;
    return quotient(sum, BigInt(count)) / scale;
  }

  #spill(group: number): void {
    this.#longs.set(group, (this.#longs.get(group) ?? 0n) + BigInt(this.#sums.values[group]!));
    this.#sums.values[group] = 0;
  }
}

/** Whole part exactly, then the rest: as near as a double gets. */
function quotient(sum: bigint, count: bigint): number {
  return Number(sum / count) + Number(sum % count) / Number(count);
}

class Extreme implements Aggregate {
  readonly #output: Output;
  readonly #sign: number;
  readonly #best: (RawValue | undefined)[] = [];

  constructor(output: Output) {
    this.#output = output;
    this.#sign = output.kind === 'min' ? 1 : -1;
  }

  add(rows: Uint32Array, groups: Uint32Array, vector: ColumnVector | undefined): void {
    if (vector === undefined) return;
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]!;
      if (vector.presence[row] !== CELL.value) continue;
      const raw = vector.kind === 'bytes' ? vector.bytesAt(row) : rawAt(vector, row);
      const best = this.#best[groups[i]!];
      if (best !== undefined && compareRaw(raw, best) * this.#sign >= 0) continue;
      // Bytes lie in an arena that is used again.
      this.#best[groups[i]!] = vector.kind === 'bytes' ? rawAt(vector, row) : raw;
    }
  }

  result(group: number): Value | null {
    const best = this.#best[group];
    return best === undefined || this.#output.column === null ? null : fromRaw(this.#output.column.type, best);
  }
}
