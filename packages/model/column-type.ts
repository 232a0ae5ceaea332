/** The types a column can have, how each is held in memory, and their limits. */

import { Fault } from '@tidemark/platform/fault';

/**
 * - `timestamp`: µs since 1970 UTC, a whole number within ±2^53
 * - `date`: days since 1970
 * - `decimal`: value × 10^scale as a whole number of at most `precision` (≤ 18) digits
 */
export type ColumnType =
  | { readonly name: 'boolean' | 'int' | 'long' | 'double' | 'string' | 'bytes' | 'timestamp' | 'date' }
  | { readonly name: 'decimal'; readonly precision: number; readonly scale: number };

/** One cell's value: long and decimal are bigint, timestamp (µs), date (days), int and double are numbers. */
export type Value = boolean | number | bigint | string | Uint8Array;

/** How a type is held in memory: the kind of typed array, or bytes in an arena. `whole` is a Float64Array of whole numbers. */
export type Physical = 'u8' | 'i32' | 'f64' | 'whole' | 'i64' | 'bytes';

const SIMPLE = new Set(['boolean', 'int', 'long', 'double', 'string', 'bytes', 'timestamp', 'date']);
const DECIMAL_PRECISION_MAX = 18;

/** @throws {Fault} `invalid`: not a type; names the text and what is allowed. */
export function parseColumnType(text: string): ColumnType {
  if (SIMPLE.has(text)) return { name: text } as ColumnType;
  const match = /^decimal\((\d+),(\d+)\)$/.exec(text.replaceAll(' ', ''));
  const precision = Number(match?.[1]);
  const scale = Number(match?.[2]);
  if (match !== null && precision >= 1 && precision <= DECIMAL_PRECISION_MAX && scale <= precision) {
    return { name: 'decimal', precision, scale };
  }
  const expected = 'boolean int long double string bytes timestamp date decimal(p,s) with p ≤ 18';
  throw new Fault('invalid', `column type "${text}", expected one of ${expected}`, { got: text, expected });
}

/** The type as keyspace files write it, `decimal(12,2)`. */
export function formatColumnType(type: ColumnType): string {
  return type.name === 'decimal' ? `decimal(${type.precision},${type.scale})` : type.name;
}

const PHYSICAL = {
  boolean: 'u8',
  int: 'i32',
  date: 'i32',
  double: 'f64',
  timestamp: 'whole',
  long: 'i64',
  decimal: 'i64',
  string: 'bytes',
  bytes: 'bytes',
} as const satisfies Record<ColumnType['name'], Physical>;

/** The kind of vector that holds values of the type in memory. */
export function physicalOf(type: ColumnType): Physical {
  return PHYSICAL[type.name];
}

/** Limits of what one write may hold, in bytes; each is refused by name with both values. */
export const LIMITS = {
  keyBytesMax: 1024,
  cellBytesMax: 256 * 1024,
  rowBytesMax: 512 * 1024,
  recordBytesMax: 1024 * 1024,
  rowColumnsMax: 4096,
  batchRowsMax: 65_536,
} as const;
