/** A comparison as a range of numbers, moved into the numbers a chunk holds: so a filter need not unpack them. */

import type { Comparison } from '@tidemark/model/filter';
import type { NumberChunk } from './chunk.ts';

/** Holds for numbers from `low` to `high`, and for NaN when `nan` says so; `isNot` turns it round. */
export type Interval = {
  readonly low: number;
  readonly high: number;
  readonly nan: boolean;
  readonly isNot: boolean;
};

/** Beyond every whole number that a chunk of numbers holds. */
const BEYOND = 2 ** 53;

/** The interval of a comparison with a value as vectors hold it. NaN is the largest number and equals itself. */
export function intervalOf(operator: Comparison, wanted: number | bigint, chunk: NumberChunk): Interval {
  const value = typeof wanted === 'bigint' ? clamped(wanted) : wanted;
  const isDouble = chunk.kind === 'f64';
  const range = rangeOf(operator === '!=' ? '=' : operator, value, isDouble);
  const isNot = operator === '!=';
  if (chunk.unit === 0) return { ...range, isNot };
  const low = ceilQuotient(range.low - chunk.base, chunk.unit);
  const high = floorQuotient(range.high - chunk.base, chunk.unit);
  return { low, high, nan: false, isNot };
}

function rangeOf(operator: Comparison, value: number, isDouble: boolean): Omit<Interval, 'isNot'> {
  const all = { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY };
  const none = { low: Number.POSITIVE_INFINITY, high: Number.NEGATIVE_INFINITY };
  if (Number.isNaN(value)) {
    const isLess = operator === '<' || operator === '<=';
    return { ...(isLess ? all : none), nan: operator !== '<' && operator !== '>' };
  }
  switch (operator) {
    case '<':
      return { ...all, high: isDouble ? -after(-value) : value - 1, nan: false };
    case '<=':
      return { ...all, high: value, nan: false };
    case '>':
      // Beyond infinity there is NaN only.
      if (value === Number.POSITIVE_INFINITY) return { ...none, nan: true };
      return { ...all, low: isDouble ? after(value) : value + 1, nan: true };
    case '>=':
      return { ...all, low: value, nan: true };
    default:
      return { low: value, high: value, nan: false };
  }
}

const asDouble = new Float64Array(1);
const asBits = new BigInt64Array(asDouble.buffer);

/** The smallest double above a finite one, or above −∞. */
function after(value: number): number {
  asDouble[0] = value === 0 ? 0 : value;
  asBits[0]! += asDouble[0]! >= 0 ? 1n : -1n;
  return asDouble[0]!;
}

function clamped(value: bigint): number {
  if (value > BigInt(BEYOND)) return BEYOND;
  return value < -BigInt(BEYOND) ? -BEYOND : Number(value);
}

/** Of whole numbers, however the division is rounded. */
function floorQuotient(value: number, unit: number): number {
  // Beyond every number there is, whatever the unit: near enough.
  if (!(Math.abs(value) < BEYOND)) return Math.floor(value / unit);
  let quotient = Math.floor(value / unit);
  while (quotient * unit > value) quotient--;
  while ((quotient + 1) * unit <= value) quotient++;
  return quotient;
}

function ceilQuotient(value: number, unit: number): number {
  return -floorQuotient(-value, unit);
}
