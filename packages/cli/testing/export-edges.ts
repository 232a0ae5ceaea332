/** Rows with every type and its edges, and what other programs must find in a file of them. For tests. */

import type { ArrowColumn } from '@tidemark/columnar/arrow-write';
import type { Value } from '@tidemark/model/column-type';

/** A column of every type, one with a name that files have to escape. */
export const COLUMNS: readonly ArrowColumn[] = [
  { name: 'late', type: { name: 'boolean' } },
  { name: 'delay', type: { name: 'int' } },
  { name: 'distance', type: { name: 'long' } },
  { name: 'share', type: { name: 'double' } },
  { name: 'Ziel/Ort', type: { name: 'string' } },
  { name: 'photo', type: { name: 'bytes' } },
  { name: 'seen', type: { name: 'timestamp' } },
  { name: 'day', type: { name: 'date' } },
  { name: 'price', type: { name: 'decimal', precision: 18, scale: 2 } },
];
/** By column: a value, and what DuckDB says of it. */
const EDGES: readonly (readonly (readonly [Value | null, string | null])[])[] = [
  [
    [true, 'true'],
    [false, 'false'],
    [null, null],
  ],
  [
    [-2_147_483_648, '-2147483648'],
    [2_147_483_647, '2147483647'],
    [null, null],
    [0, '0'],
  ],
  [
    [-(1n << 63n), '-9223372036854775808'],
    [(1n << 63n) - 1n, '9223372036854775807'],
    [null, null],
    [0n, '0'],
  ],
  [
    [-0, '-0.0'],
    [0, '0.0'],
    [Number.NaN, 'nan'],
    [1.5, '1.5'],
    [-Infinity, '-inf'],
    [null, null],
    [5e-324, '5e-324'],
  ],
  [
    ['', ''],
    ['é\u0000ü', 'é\u0000ü'],
    [null, null],
    ['x'.repeat(1_000), 'x'.repeat(1_000)],
  ],
  [
    [new Uint8Array([0, 255]), '\\x00\\xFF'],
    [new Uint8Array(0), ''],
    [null, null],
  ],
  [
    [0, '1970-01-01 00:00:00+00'],
    [-1, '1969-12-31 23:59:59.999999+00'],
    [null, null],
    [978_307_261_000_001, '2001-01-01 00:01:01.000001+00'],
  ],
  [
    [0, '1970-01-01'],
    [-719_528, '0001-01-01 (BC)'],
    [null, null],
    [11_323, '2001-01-01'],
  ],
  [
    [999_999_999_999_999_999n, '9999999999999999.99'],
    [-1n, '-0.01'],
    [null, null],
    [0n, '0.00'],
  ],
];

/** Row i has each column's value number i, counted round. */
export const rowOf = (i: number): Record<string, Value | null> =>
  Object.fromEntries(COLUMNS.map(({ name }, c) => [name, EDGES[c]![i % EDGES[c]!.length]![0]]));
/** The same as DuckDB says them. */
export const wordsOf = (i: number): (string | null)[] => EDGES.map((edges) => edges[i % edges.length]![1]);
