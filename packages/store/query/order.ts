/** Orders result rows, and keeps only the first ones where a limit says so. */

import type { Value } from '@tidemark/model/column-type';
import { Fault } from '@tidemark/platform/fault';
import { ROW_BYTES, VALUE_BYTES } from './scan-budget.ts';
import { mappedInTurns, orderInTurns, SORTED_AT_ONCE } from './turn-sort.ts';

/** A scan may order so many rows, or any number when its limit is at most this. */
export const ORDERED_ROWS_MAX = 1_000_000;

/** What a row that waits to be ordered by these keys takes, estimated. */
export function orderedBytes(keys: readonly (Value | null)[], row: Readonly<Record<string, Value | null>>): number {
  let bytes = ROW_BYTES;
  for (const value of keys) bytes += VALUE_BYTES + bytesOf(value);
  for (const name in row) bytes += VALUE_BYTES + bytesOf(row[name]!);
  return bytes;
}

function bytesOf(value: Value | null): number {
  return typeof value === 'string' || value instanceof Uint8Array ? value.length : 0;
}

/**
 * Holds the first `limit` rows by their keys, and at most twice as many. Keys lie by ordering and not by row, and what is
 * sorted are row numbers: of a million rows each object more is one that the collector has to move.
 *
 * @throws {Fault} `invalid`: without a limit, more than ORDERED_ROWS_MAX.
 */
export class FirstRows<T> {
  readonly #descending: readonly boolean[];
  readonly #limit: number;
  /** As they came, or as they were last put in order. */
  #rows: T[] = [];
  /** By ordering: the key of each of them. */
  #keys: (Value | null)[][];
  /** Of each of them. */
  #sizes: number[] = [];
  #bytes = 0;
  /** Keys of the last of the first `limit` rows, as they were last put in order; null before that. */
  #last: readonly (Value | null)[] | null = null;

  constructor(descending: readonly boolean[], limit: number | null) {
    this.#descending = descending;
    this.#limit = limit ?? Number.POSITIVE_INFINITY;
    this.#keys = descending.map(() => []);
  }

  /** False when a row with such keys, coming now, would not be among the first. */
  admits(keys: readonly (Value | null)[]): boolean {
    if (this.#last === null) return true;
    for (let i = 0; i < keys.length; i++) {
      const order = compareKeys(keys[i]!, this.#last[i]!, this.#descending[i] === true);
      if (order !== 0) return order < 0;
    }
    return false;
  }

  /** What is held takes, estimated. */
  get heldBytes(): number {
    return this.#bytes;
  }

  /** @param bytes what it takes, estimated */
  add(keys: readonly (Value | null)[], row: T, bytes: number): void {
    this.#rows.push(row);
    this.#sizes.push(bytes);
    for (let i = 0; i < this.#keys.length; i++) this.#keys[i]!.push(keys[i]!);
    this.#bytes += bytes;
    if (this.#limit <= SORTED_AT_ONCE && this.#rows.length >= this.#limit * 2) {
      this.#keep(Uint32Array.from(this.#rows.keys()).sort((a, b) => this.#compareAt(a, b)));
    }
    if (this.#rows.length <= ORDERED_ROWS_MAX || this.#limit <= ORDERED_ROWS_MAX) return;
    const message = `the scan orders more than ${ORDERED_ROWS_MAX} rows; give a limit of at most that`;
    throw new Fault('invalid', message, { expected: ORDERED_ROWS_MAX });
  }

  /** Between blocks of rows: puts in order what is there, where that is enough to leave some out. */
  async settle(): Promise<void> {
    if (this.#rows.length >= this.#limit * 2) this.#keep(await this.#order());
  }

  async take(): Promise<T[]> {
    const rows = this.#rows;
    const taken = await mappedInTurns((await this.#order()).subarray(0, this.#limit), (number) => rows[number]!);
    this.#rows = [];
    this.#keys = [];
    return taken;
  }

  /** Numbers of the rows in order; stable, so that equal rows keep the order in which they came. */
  #order(): Promise<Uint32Array> {
    return orderInTurns(this.#rows.length, (a, b) => this.#compareAt(a, b));
  }

  /** Keeps the first of the rows, in this order. */
  #keep(order: Uint32Array): void {
    if (order.length < this.#limit) return;
    const kept = order.subarray(0, this.#limit);
    const pick = <V>(from: readonly V[]): V[] => Array.from(kept, (number) => from[number]!);
    this.#rows = pick(this.#rows);
    this.#sizes = pick(this.#sizes);
    this.#keys = this.#keys.map(pick);
    this.#bytes = this.#sizes.reduce((sum, bytes) => sum + bytes, 0);
    this.#last = this.#keys.map((keys) => keys.at(-1)!);
  }

  #compareAt(a: number, b: number): number {
    const keys = this.#keys;
    for (let i = 0; i < keys.length; i++) {
      const order = compareKeys(keys[i]![a]!, keys[i]![b]!, this.#descending[i] === true);
      if (order !== 0) return order;
    }
    return 0;
  }
}

/** Missing values come last in either direction. */
function compareKeys(left: Value | null, right: Value | null, isDescending: boolean): number {
  if (left === null || right === null) return left === right ? 0 : left === null ? 1 : -1;
  const order = compareValues(left, right);
  return isDescending ? -order : order;
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
