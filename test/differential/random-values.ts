/** Values of every type by chance: few enough that rows meet, edges among them, and their spellings in JSON. */

import type { ColumnType, Value } from '@tidemark/model/column-type';
import { cellToJson, type JsonCell } from '@tidemark/model/text/cell-value';
import { TIMESTAMP_US_MAX } from '@tidemark/model/text/time';
import { integerBetween, type Random } from '@tidemark/platform/random';

export function pick<T>(random: Random, items: readonly T[]): T {
  return items[integerBetween(random, 0, items.length - 1)]!;
}

export function chance(random: Random, share: number): boolean {
  return random.fraction() < share;
}

const LONG_MAX = (1n << 63n) - 1n;
const TEXTS = [
  '',
  'a',
  'b',
  'ab',
  'é',
  'éa',
  'Z',
  ' ',
  '~',
  '.',
  "it's",
  'a,b',
  '"q"',
  'line\nend',
  '\r',
  '\u0000',
  '😀',
  'x\uFEFF',
];

/** A value that a column of the type takes. Doubles have no −0: it is taken as 0. */
export function randomValue(random: Random, type: ColumnType): Value {
  const isEdge = chance(random, 0.25);
  switch (type.name) {
    case 'boolean':
      return chance(random, 0.5);
    case 'int':
      return isEdge ? pick(random, [0, -1, 2_147_483_647, -2_147_483_648]) : integerBetween(random, -20, 20);
    case 'long':
      if (isEdge)
        return pick(random, [0n, -1n, LONG_MAX, -LONG_MAX - 1n, 2n ** 53n, 2n ** 53n + 1n, -(2n ** 53n) - 1n]);
      return BigInt(integerBetween(random, -20, 20));
    case 'double':
      if (isEdge) return pick(random, [0, Number.NaN, Infinity, -Infinity, 5e-324, 1.5e300, 0.1]);
      return integerBetween(random, -40, 40) / 4;
    case 'string':
      return isEdge ? pick(random, ['x'.repeat(300), ...TEXTS]) : pick(random, TEXTS);
    case 'bytes':
      return Uint8Array.from(isEdge ? pick(random, [[], [0], [255, 0]]) : [integerBetween(random, 0, 3), 7]);
    case 'timestamp':
      if (isEdge) return pick(random, [0, -1, TIMESTAMP_US_MAX, -TIMESTAMP_US_MAX, 978_307_261_000_001]);
      return integerBetween(random, -5, 5) * 3_600_000_000;
    case 'date':
      return isEdge ? pick(random, [0, -1, 2_932_896, -719_528, 11_322]) : integerBetween(random, -10, 10);
    case 'decimal': {
      const end = 10n ** BigInt(type.precision);
      if (isEdge) return pick(random, [0n, 1n, -1n, end - 1n, 1n - end]);
      return BigInt(integerBetween(random, -99, 99)) % end;
    }
  }
}

/** One of the spellings in JSON that the column takes for the value. */
export function spelling(random: Random, type: ColumnType, value: Value): JsonCell {
  const plain = cellToJson(type, value);
  if (chance(random, 0.7)) return plain;
  if (type.name === 'long') return String(value);
  if (type.name === 'decimal') {
    const small = Math.abs(Number(value)) < 1e9;
    return small && chance(random, 0.5) ? Number(`${value}e${-type.scale}`) : `${value}e${-type.scale}`;
  }
  if (type.name === 'timestamp') return String(plain).replace(/Z$/, '+00:00');
  return plain;
}

const KINDS = ['boolean', 'int', 'long', 'double', 'string', 'bytes', 'timestamp', 'date', 'decimal'] as const;

export function randomType(random: Random): ColumnType {
  const name = chance(random, 0.25) ? pick(random, ['int', 'string'] as const) : pick(random, KINDS);
  if (name !== 'decimal') return { name };
  const precision = integerBetween(random, 2, 18);
  return { name, precision, scale: integerBetween(random, 0, precision) };
}
