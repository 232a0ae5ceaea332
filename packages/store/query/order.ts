/** Orders result rows, and keeps only the first ones where a limit says so. */

import type { Value } from '@tidemark/model/column-type';
import { Fault } from '@tidemark/platform/fault';
import { ROW_BYTES, VALUE_BYTES } from './scan-budget.ts';
import { SORTED_AT_ONCE, sortedInTurns } from './turn-sort.ts';

/** A scan may order so many rows, or any number when its limit is at most this. */
export const ORDERED_ROWS_MAX = 1_000_000;

type OrderedRow<T> = {
  readonly keys: readonly (Value | null)[];
  readonly row: T;
  /** What it takes, estimated. */
  readonly bytes: number;
};

/** A row that waits to be ordered by these keys, and what it takes. */
export function orderedRow<T extends Readonly<Record<string, Value | null>>>(
  keys: readonly (Value | null)[],
  row: T,
): OrderedRow<T> {
  let bytes = ROW_BYTES;
  for (const value of keys) bytes += VALUE_BYTES + bytesOf(value);
  for (const name in row) bytes += VALUE_BYTES + bytesOf(row[name]!);
  return { keys, row, bytes };
}

function bytesOf(value: Value | null): number {
  return typeof value === 'string' || value instanceof Uint8Array ? value.length : 0;
}

/**
 * Holds the first `limit` rows by their keys, and at most twice as many.
 * @throws {Fault} `invalid`: without a limit, more than ORDERED_ROWS_MAX.
 */
export class FirstRows<T> {
  readonly #descending: readonly boolean[];
  readonly #limit: number;
  #rows: OrderedRow<T>[] = [];
  #bytes = 0;
  /** The last of the first `limit` rows, as they were last put in order; null before that. */
  #last: OrderedRow<T> | null = null;

  constructor(descending: readonly boolean[], limit: number | null) {
    this.#descending = descending;
    this.#limit = limit ?? Number.POSITIVE_INFINITY;
  }

  /** False when a row with such keys, coming now, would not be among the first. */
  admits(keys: OrderedRow<T>['keys']): boolean {
    return this.#last === null || this.#compare(keys, this.#last.keys) < 0;
  }

  /** What is held takes, estimated. */
  get heldBytes(): number {
    return this.#bytes;
  }

  add(row: OrderedRow<T>): void {
    this.#rows.push(row);
    this.#bytes += row.bytes;
    if (this.#limit <= SORTED_AT_ONCE && this.#rows.length >= this.#limit * 2) {
      this.#kept(this.#rows.sort((a, b) => this.#compare(a.keys, b.keys)));
    }
    if (this.#rows.length <= ORDERED_ROWS_MAX || this.#limit <= ORDERED_ROWS_MAX) return;
    const message = `the scan orders more than ${ORDERED_ROWS_MAX} rows; give a limit of at most that`;
    throw new Fault('invalid', message, { expected: ORDERED_ROWS_MAX });
  }

  /** Between blocks of rows: puts in order what is there, where that is enough to leave some out. */
  async settle(): Promise<void> {
    if (this.#rows.length >= this.#limit * 2) await this.#keepFirst();
  }

  async take(): Promise<T[]> {
    await this.#keepFirst();
    const rows = this.#rows.map(({ row }) => row);
    this.#rows = [];
    return rows;
  }

  /** Stable, so that equal rows keep the order in which they came. */
  async #keepFirst(): Promise<void> {
    this.#kept(await sortedInTurns(this.#rows, (a, b) => this.#compare(a.keys, b.keys)));
  }

  #kept(rows: OrderedRow<T>[]): void {
    this.#rows = rows;
    if (this.#rows.length < this.#limit) return;
    for (let left = this.#limit; left < this.#rows.length; left++) this.#bytes -= this.#rows[left]!.bytes;
    this.#rows.length = this.#limit;
    this.#last = this.#rows.at(-1)!;
  }

  #compare(a: readonly (Value | null)[], b: readonly (Value | null)[]): number {
    for (let i = 0; i < a.length; i++) {
      const [left, right] = [a[i]!, b[i]!];
      // Missing values come last in either direction.
      if (left === null || right === null) {
        if (left === right) continue;
        return left === null ? 1 : -1;
      }
      const order = compareValues(left, right);
      if (order !== 0) return this.#descending[i] === true ? -order : order;
    }
    return 0;
  }
}

/** Order of two values of one type: strings by code point, as their UTF-8 bytes; NaN last. */
export function compareValues(a: Value, b: Value): number {
  if (typeof a === 'string') return compareTexts(a, b as string);
  if (typeof a === 'object') return Buffer.compare(a, b as Uint8Array);
  const other = b as number;
  if ((a as number) < other) return -1;
  if ((a as number) > other) return 1;
  return a === b ? 0 : Number(Number.isNaN(a)) - Number(Number.isNaN(b));
}

function compareTexts(a: string, b: string): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const [left, right] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (left === right) continue;
    // Halves of pairs stand for code points above every single unit.
    const isPair = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdfff;
    return isPair(left) === isPair(right) ? left - right : isPair(left) ? 1 : -1;
  }
  return a.length - b.length;
}
