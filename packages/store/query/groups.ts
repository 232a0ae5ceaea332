/** Numbers the groups that rows fall into, by the values of some columns. */

import { physicalOf, type Value } from '@tidemark/model/column-type';
import type { Output } from '@tidemark/model/query';
import type { Column } from '@tidemark/model/table';
import { Fault } from '@tidemark/platform/fault';
import { type BytesChunk, type Chunk, entryBytes, entryOf, hasValue, rawOfChunk } from '../encoding/chunk.ts';
import type { RawValue } from '../encoding/zone.ts';
import { fromRaw } from '../row/raw-value.ts';
import type { Aggregate, Coded, GroupNumbers, Stretches } from './aggregate.ts';
import type { ColumnOf } from './filter.ts';
import { AGGREGATE_BYTES, BYTES_BYTES, GROUP_BYTES } from './scan-budget.ts';

/** A scan may make so many groups; more are refused rather than held in memory. */
const GROUPS_MAX = 1_000_000;
/** Above every value number, so that two of them make one number without loss. */
const PAIR = 2 ** 21;

type Codes = Uint8Array | Uint16Array;

/** The groups of one scan, numbered from 0 in order of appearance. */
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

  /** Bytes of the values that make the groups, beside a little for each group. */
  get heldBytes(): number {
    return this.#columns.reduce((sum, column) => sum + column.heldBytes, 0);
  }

  /** The group of each row; one number when all are of one. @throws {Fault} `invalid`: too many groups. */
  number(rows: Uint32Array, columnOf: ColumnOf): GroupNumbers {
    if (this.#columns.length === 0) return 0;
    let numbers: GroupNumbers = 0;
    this.#columns.forEach((column, i) => {
      const own = column.number(rows, columnOf(column.column.id));
      numbers = i === 0 ? own : this.#combine(i - 1, numbers, own, rows.length);
    });
    this.#count = this.#columns.length === 1 ? this.#columns[0]!.count : this.#firsts.at(-1)!.length;
    if (this.#count > GROUPS_MAX) {
      throw new Fault('invalid', `the scan makes more than ${GROUPS_MAX} groups`, { expected: GROUPS_MAX });
    }
    return numbers;
  }

  /**
   * A block's rows in stretches, where they lie in runs of one group each. `countOf` tells how many rows are chosen of
   * some; a run without any makes no group. Null when they do not. @throws {Fault} `invalid`: too many groups.
   */
  stretches(rowCount: number, columnOf: ColumnOf, countOf: (from: number, to: number) => number): Stretches | null {
    if (this.#columns.length > 1) return null;
    const [column] = this.#columns;
    if (column === undefined) return oneStretch(rowCount, 0, countOf(0, rowCount));
    const chunk = columnOf(column.column.id);
    if (chunk?.form !== 'bytes' || chunk.runEnds === null || chunk.presence !== null) return null;
    const stretches = column.stretches(chunk, chunk.runEnds, countOf);
    this.#count = column.count;
    return stretches;
  }

  /**
   * A block's chosen rows by code, where one column makes the groups and each of its values has a code; `countInto` counts
   * the chosen rows of each. A code without any makes no group. Null where there are no codes. @throws {Fault} `invalid`:
   * too many groups.
   */
  coded(columnOf: ColumnOf, countInto: (codes: Codes, counts: Uint32Array) => void): Coded | null {
    const [column] = this.#columns;
    if (column === undefined || this.#columns.length > 1) return null;
    const chunk = columnOf(column.column.id);
    if (chunk?.form !== 'bytes' || chunk.codes === null || chunk.presence !== null) return null;
    const counts = new Uint32Array(chunk.entryCount);
    countInto(chunk.codes, counts);
    const groups = column.groupsOf(chunk, counts);
    this.#count = column.count;
    return { codes: chunk.codes, groups, counts };
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

  #combine(level: number, numbers: GroupNumbers, own: GroupNumbers, count: number): GroupNumbers {
    if (typeof numbers === 'number' && typeof own === 'number') return this.#pair(level, numbers, own);
    const combined = new Uint32Array(count);
    let lastFirst = -1;
    let lastSecond = -1;
    let last = 0;
    for (let i = 0; i < count; i++) {
      const first = typeof numbers === 'number' ? numbers : numbers[i]!;
      const second = typeof own === 'number' ? own : own[i]!;
      if (first !== lastFirst || second !== lastSecond) {
        last = this.#pair(level, first, second);
        lastFirst = first;
        lastSecond = second;
      }
      combined[i] = last;
    }
    return combined;
  }

  #pair(level: number, first: number, second: number): number {
    const pairs = this.#pairs[level]!;
    const pair = first * PAIR + second;
    let number = pairs.get(pair);
    if (number === undefined) {
      number = this.#firsts[level]!.length;
      pairs.set(pair, number);
      this.#firsts[level]!.push(first);
      this.#seconds[level]!.push(second);
    }
    return number;
  }
}

function oneStretch(rowCount: number, group: number, count: number): Stretches {
  const [starts, ends] = [Uint32Array.of(0), Uint32Array.of(rowCount)];
  return { starts, ends, groups: Uint32Array.of(group), counts: Uint32Array.of(count) };
}

/** Numbers the values of one column in order of appearance. */
class ColumnNumbers {
  readonly column: Column;
  readonly #isLong: boolean;
  readonly #numbers = new Map<number | bigint | string | null, number>();
  readonly #values: (RawValue | null)[] = [];
  heldBytes = 0;

  constructor(column: Column) {
    this.column = column;
    this.#isLong = physicalOf(column.type) === 'i64';
  }

  get count(): number {
    return this.#values.length;
  }

  valueOf(number: number): Value | null {
    const raw = this.#values[number]!;
    return raw === null ? null : fromRaw(this.column.type, raw);
  }

  number(rows: Uint32Array, column: Chunk | undefined): GroupNumbers {
    if (column === undefined) return this.#numberOf(null, null);
    if (column.form === 'bytes' && column.codes !== null) return this.#byEntry(rows, column, column.codes);
    const numbers = new Uint32Array(rows.length);
    let last: RawValue | null = null;
    let lastNumber = -1;
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]!;
      const raw = hasValue(column, row) ? rawOfChunk(column, row) : null;
      // Neighbours often are the same.
      if (lastNumber === -1 || typeof raw === 'object' || raw !== last) {
        last = raw;
        // An older block may hold a long as an int: the same group all the same.
        const wide = typeof raw === 'number' && this.#isLong ? BigInt(raw) : raw;
        lastNumber = this.#numberOf(keyOf(wide), wide);
      }
      numbers[i] = lastNumber;
    }
    return numbers;
  }

  /** One stretch a run. */
  stretches(chunk: BytesChunk, runEnds: Uint32Array, countOf: (from: number, to: number) => number): Stretches {
    const starts = new Uint32Array(runEnds.length);
    const [ends, groups, counts] = [starts.slice(), starts.slice(), starts.slice()];
    let stretches = 0;
    for (let run = 0; run < runEnds.length; run++) {
      const start = run === 0 ? 0 : runEnds[run - 1]!;
      const count = countOf(start, runEnds[run]!);
      if (count === 0) continue;
      const bytes = entryBytes(chunk, entryOf(chunk, start));
      starts[stretches] = start;
      ends[stretches] = runEnds[run]!;
      groups[stretches] = this.#numberOf(keyOf(bytes), bytes);
      counts[stretches++] = count;
    }
    const [from, to] = [0, stretches];
    return {
      starts: starts.subarray(from, to),
      ends: ends.subarray(from, to),
      groups: groups.subarray(from, to),
      counts: counts.subarray(from, to),
    };
  }

  /** The group of each entry of a dictionary that has a count. */
  groupsOf(chunk: BytesChunk, counts: Uint32Array): Uint32Array {
    return counts.map((count, entry) => {
      if (count === 0) return 0;
      const bytes = entryBytes(chunk, entry);
      return this.#numberOf(keyOf(bytes), bytes);
    });
  }

  /** Each entry of a dictionary is looked up once. */
  #byEntry(rows: Uint32Array, column: BytesChunk, codes: Uint8Array | Uint16Array): GroupNumbers {
    const byEntry = new Int32Array(column.entryCount).fill(-1);
    const take = (row: number): number => {
      if (!hasValue(column, row)) return this.#numberOf(null, null);
      const bytes = entryBytes(column, codes[row]!);
      byEntry[codes[row]!] = this.#numberOf(keyOf(bytes), bytes);
      return byEntry[codes[row]!]!;
    };
    if (column.presence === null && column.entryCount === 1 && rows.length > 0) return take(rows[0]!);
    const numbers = new Uint32Array(rows.length);
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]!;
      const known = column.presence === null ? byEntry[codes[row]!]! : -1;
      numbers[i] = known === -1 ? take(row) : known;
    }
    return numbers;
  }

  #numberOf(key: number | bigint | string | null, raw: RawValue | null): number {
    let number = this.#numbers.get(key);
    if (number === undefined) {
      number = this.#values.length;
      if (number > GROUPS_MAX) {
        throw new Fault('invalid', `the scan makes more than ${GROUPS_MAX} groups`, { expected: GROUPS_MAX });
      }
      this.#numbers.set(key, number);
      this.#values.push(typeof raw === 'object' && raw !== null ? new Uint8Array(raw) : raw);
      // The copy, and the text that it is found by.
      if (typeof raw === 'object' && raw !== null) this.heldBytes += BYTES_BYTES + 2 * raw.length;
    }
    return number;
  }
}

/** What a Map finds a value by. */
function keyOf(raw: RawValue | null): number | bigint | string | null {
  if (typeof raw === 'object' && raw !== null) return (raw as Buffer).toString('latin1');
  return raw;
}

/** Bytes that groups take, with what is aggregated of each. */
export function heldByGroups(groups: Groups, aggregates: readonly (Aggregate | null)[]): number {
  const own = aggregates.reduce((sum, aggregate) => sum + (aggregate?.heldBytes ?? 0), 0);
  return own + groups.heldBytes + groups.count * (GROUP_BYTES + aggregates.length * AGGREGATE_BYTES);
}

/** A group's row of results: its own values and its aggregates, by name. */
export function groupRow(
  outputs: readonly Output[],
  groupBy: readonly Column[],
  values: readonly (Value | null)[],
  aggregates: readonly (Aggregate | null)[],
  group: number,
): Record<string, Value | null> {
  const row: Record<string, Value | null> = {};
  outputs.forEach((output, i) => {
    const place = groupBy.findIndex((column) => column.id === output.column?.id);
    row[output.name] = aggregates[i]?.result(group) ?? (output.kind === 'column' ? values[place]! : null);
  });
  return row;
}
