/** Sums and averages. Those of whole numbers are exact whatever their size; those of doubles are rounded as doubles are. */

import { CELL } from '@tidemark/columnar/column-vector';
import type { Value } from '@tidemark/model/column-type';
import type { Output } from '@tidemark/model/query';
import { type Chunk, type LongChunk, type NumberChunk, narrowOf } from '../encoding/chunk.ts';
import { Numbers } from '../row/numbers.ts';
import type { Aggregate, Coded, GroupNumbers, Stretches } from './aggregate.ts';
import { gatherNumbers } from './kernels.ts';
import { maskKernels } from './mask-kernels.ts';

/** Whole numbers are added in doubles up to here and then moved into a bigint, so that no sum is ever rounded. */
const EXACT_MAX = 2 ** 52;
/** A block of 65,536 numbers of 32 bits above such a base adds up to less than that. */
const NARROW_BASE_MAX = 2 ** 34;

/** Sums and counts by group, of which an average is made; what is too large for an exact double goes on as a bigint. */
export class Sum implements Aggregate {
  readonly #output: Output;
  readonly #counts = new Numbers();
  readonly #sums = new Numbers();
  /** By group, what did not fit `#sums`. */
  readonly #longs = new Map<number, bigint>();
  #values = new Float64Array(0);

  constructor(output: Output) {
    this.#output = output;
  }

  add(rows: Uint32Array, groups: GroupNumbers, column: Chunk | undefined): void {
    if (column === undefined || column.form === 'bytes') return;
    const { presence } = column;
    if (presence !== null && rows.some((row) => presence[row] !== CELL.value)) {
      const isThere = (row: number): boolean => presence[row] === CELL.value;
      const there = rows.filter(isThere);
      const theirs = typeof groups === 'number' ? groups : groups.filter((_, i) => isThere(rows[i]!));
      this.#addValues(there, theirs, column);
    } else this.#addValues(rows, groups, column);
  }

  takesStretches(column: Chunk | undefined): boolean {
    return column === undefined || (column.presence === null && narrowOf(column) !== null);
  }

  addStretches({ starts, ends, groups, counts }: Stretches, column: Chunk | undefined): void {
    if (column === undefined || groups.length === 0) return;
    const chunk = narrowOf(column)!;
    maskKernels.load(chunk.data);
    for (let i = 0; i < groups.length; i++) {
      this.#addSum(groups[i]!, maskKernels.sum(starts[i]!, ends[i]!), counts[i]!, chunk);
    }
  }

  addCoded({ codes, groups, counts }: Coded, column: Chunk | undefined): void {
    if (column === undefined) return;
    const chunk = narrowOf(column)!;
    const sums = new Float64Array(counts.length);
    maskKernels.sumByCode(codes, chunk.data, sums);
    for (let code = 0; code < counts.length; code++) {
      if (counts[code]! > 0) this.#addSum(groups[code]!, sums[code]!, counts[code]!, chunk);
    }
  }

  /** Adds what `count` rows of a block hold together. */
  #addSum(group: number, sum: number, count: number, { base, unit }: NumberChunk): void {
    this.#reserve(group);
    this.#counts.values[group]! += count;
    if (unit <= 1 && Math.abs(base) <= NARROW_BASE_MAX) {
      const total = this.#sums.values[group]! + sum + base * count;
      this.#sums.values[group] = total;
      if (total > EXACT_MAX || total < -EXACT_MAX) this.#spill(group);
    } else {
      const total = BigInt(sum) * BigInt(unit === 0 ? 1 : unit) + BigInt(base) * BigInt(count);
      this.#longs.set(group, (this.#longs.get(group) ?? 0n) + total);
    }
  }

  /** Every row has a value. */
  #addValues(rows: Uint32Array, groups: GroupNumbers, column: NumberChunk | LongChunk): void {
    if (rows.length === 0) return;
    if (column.form === 'longs') this.#addLongs(rows, groups, column);
    else {
      if (this.#values.length < rows.length) this.#values = new Float64Array(rows.length);
      gatherNumbers(column.data, rows, this.#values);
      const isDouble = column.kind === 'f64';
      if (typeof groups === 'number') this.#addToOne(rows.length, groups, column, isDouble);
      else this.#addToEach(groups, column, isDouble);
    }
  }

  /** Adds up what the chunk holds first: base and unit are the same for all. */
  #addToOne(count: number, group: number, { base, unit, data }: NumberChunk, isDouble: boolean): void {
    const values = this.#values;
    // Of so few bits that a block of them does not leave what doubles hold.
    const isSmall = !(data instanceof Float64Array);
    this.#reserve(group);
    this.#counts.values[group]! += count;
    let sum = isDouble ? this.#sums.values[group]! : 0;
    let spilled = 0n;
    if (isDouble || isSmall) for (let i = 0; i < count; i++) sum += values[i]!;
    else {
      for (let i = 0; i < count; i++) {
        const value = values[i]!;
        if (Math.abs(value) > EXACT_MAX) spilled += BigInt(value);
        else sum += value;
        if (Math.abs(sum) <= EXACT_MAX) continue;
        spilled += BigInt(sum);
        sum = 0;
      }
    }
    if (isDouble) this.#sums.values[group] = sum;
    else {
      const total = (spilled + BigInt(sum)) * BigInt(unit === 0 ? 1 : unit) + BigInt(base) * BigInt(count);
      this.#longs.set(group, (this.#longs.get(group) ?? 0n) + total);
    }
  }

  #addToEach(groups: Uint32Array, { base, unit, data }: NumberChunk, isDouble: boolean): void {
    let largest = 0;
    for (let i = 0; i < groups.length; i++) if (groups[i]! > largest) largest = groups[i]!;
    this.#reserve(largest);
    const isNarrow = !(data instanceof Float64Array) && unit <= 1 && Math.abs(base) <= NARROW_BASE_MAX;
    if (!isDouble && isNarrow) this.#addRuns(groups, base);
    else this.#addValuesToEach(groups, base, unit, isDouble);
  }

  /** Neighbours often are of one group: added up apart, without going to memory for each. No such sum leaves what is exact. */
  #addRuns(groups: Uint32Array, base: number): void {
    const values = this.#values;
    const counts = this.#counts.values;
    const sums = this.#sums.values;
    const count = groups.length;
    for (let i = 0; i < count; ) {
      const group = groups[i]!;
      const from = i;
      let sum = 0;
      do sum += values[i++]!;
      while (i < count && groups[i] === group);
      counts[group]! += i - from;
      const total = sums[group]! + sum + base * (i - from);
      sums[group] = total;
      if (total > EXACT_MAX || total < -EXACT_MAX) this.#spill(group);
    }
  }

  #addValuesToEach(groups: Uint32Array, base: number, unit: number, isDouble: boolean): void {
    const values = this.#values;
    if (unit !== 0 && (unit !== 1 || base !== 0)) {
      for (let i = 0; i < groups.length; i++) values[i] = base + unit * values[i]!;
    }
    const counts = this.#counts.values;
    const sums = this.#sums.values;
    for (let i = 0; i < groups.length; i++) {
      const group = groups[i]!;
      counts[group]!++;
      const value = values[i]!;
      if (!isDouble && Math.abs(value) > EXACT_MAX) {
        this.#longs.set(group, (this.#longs.get(group) ?? 0n) + BigInt(value));
        continue;
      }
      const sum = sums[group]! + value;
      sums[group] = sum;
      if (!isDouble && (sum > EXACT_MAX || sum < -EXACT_MAX)) this.#spill(group);
    }
  }

  #addLongs(rows: Uint32Array, groups: GroupNumbers, { data }: LongChunk): void {
    for (let i = 0; i < rows.length; i++) {
      const group = typeof groups === 'number' ? groups : groups[i]!;
      this.#reserve(group);
      this.#counts.values[group]!++;
      this.#longs.set(group, (this.#longs.get(group) ?? 0n) + data[rows[i]!]!);
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

  #reserve(group: number): void {
    this.#counts.reserve(group);
    this.#sums.reserve(group);
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
