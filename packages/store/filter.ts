/** Evaluates a filter over a block, a column at a time. Three values, as in SQL: a missing cell makes `unknown`. */

import { CELL, type ColumnVector } from '@tidemark/schema/column-vector';
import type { Comparison, Filter } from '@tidemark/schema/query';
import { compareRanges } from './bytes.ts';
import { rawOf } from './raw-value.ts';
import { compareRaw, type RawValue, type Zone } from './zone.ts';

/** What a filter says of a row; `min` of two is their AND if unknown lay between, hence the order. */
const TRUTH = { no: 0, unknown: 1, yes: 2 } as const;

/** The rows `from … to` of some vectors by column id; a column that is not there has no cell in any row. */
export type FilterInput = {
  readonly from: number;
  readonly to: number;
  readonly vector: (column: number) => ColumnVector | undefined;
};

/** Per row of the input: true when the filter holds. */
export function select(filter: Filter, input: FilterInput): (row: number) => boolean {
  const truths = evaluate(filter, input);
  return (row) => truths[row - input.from] === TRUTH.yes;
}

function evaluate(filter: Filter, input: FilterInput): Uint8Array {
  const count = input.to - input.from;
  switch (filter.kind) {
    case 'and':
    case 'or': {
      const isAnd = filter.kind === 'and';
      const result = new Uint8Array(count).fill(isAnd ? TRUTH.yes : TRUTH.no);
      for (const part of filter.parts) {
        const other = evaluate(part, input);
        for (let i = 0; i < count; i++) if (isAnd === other[i]! < result[i]!) result[i] = other[i]!;
      }
      return result;
    }
    case 'not': {
      const result = evaluate(filter.part, input);
      for (let i = 0; i < count; i++) result[i] = TRUTH.yes - result[i]!;
      return result;
    }
    case 'null':
      return isNull(input, input.vector(filter.column.id), filter.isNull);
    default: {
      const vector = input.vector(filter.column.id);
      if (vector === undefined) return new Uint8Array(count).fill(TRUTH.unknown);
      return byValue(input, vector, testOf(filter));
    }
  }
}

function isNull(input: FilterInput, vector: ColumnVector | undefined, wanted: boolean): Uint8Array {
  const result = new Uint8Array(input.to - input.from);
  for (let row = input.from; row < input.to; row++) {
    const isMissing = vector === undefined || vector.presence[row] !== CELL.value;
    result[row - input.from] = isMissing === wanted ? TRUTH.yes : TRUTH.no;
  }
  return result;
}

/** A test of one value, in the form its kind of vector needs. */
type Test = {
  readonly number: (value: number) => boolean;
  readonly long: (value: bigint) => boolean;
  readonly bytes: (arena: Uint8Array, start: number, length: number) => boolean;
};

function byValue(input: FilterInput, vector: ColumnVector, test: Test): Uint8Array {
  const { from, to } = input;
  const result = new Uint8Array(to - from);
  const { presence, kind } = vector;
  if (kind === 'bytes') return byBytes(input, vector, test);
  const numbers = kind === 'i32' ? vector.i32 : kind === 'u8' ? vector.u8 : vector.f64;
  for (let row = from; row < to; row++) {
    if (presence[row] !== CELL.value) result[row - from] = TRUTH.unknown;
    else {
      const holds = kind === 'i64' ? test.long(vector.i64[row]!) : test.number(numbers[row]!);
      result[row - from] = holds ? TRUTH.yes : TRUTH.no;
    }
  }
  return result;
}

/** Rows of one dictionary entry lie at one place in the arena, and often beside one another: tested once. */
function byBytes(input: FilterInput, vector: ColumnVector, test: Test): Uint8Array {
  const { from, to } = input;
  const result = new Uint8Array(to - from);
  const { presence, arena, starts, lengths } = vector;
  let lastStart = -1;
  let lastLength = -1;
  let last = false;
  for (let row = from; row < to; row++) {
    if (presence[row] !== CELL.value) {
      result[row - from] = TRUTH.unknown;
      continue;
    }
    if (starts[row] !== lastStart || lengths[row] !== lastLength) {
      lastStart = starts[row]!;
      lastLength = lengths[row]!;
      last = test.bytes(arena, lastStart, lastLength);
    }
    result[row - from] = last ? TRUTH.yes : TRUTH.no;
  }
  return result;
}

type ValueFilter = Extract<Filter, { readonly kind: 'compare' | 'in' | 'prefix' }>;

function testOf(filter: ValueFilter): Test {
  if (filter.kind === 'compare') return comparison(filter.operator, rawOf(filter.column.type, filter.value));
  if (filter.kind === 'in') return membership(filter.values.map((value) => rawOf(filter.column.type, value)));
  const { prefix } = filter;
  const bytes: Test['bytes'] = (arena, start, length) =>
    length >= prefix.length && compareRanges(arena, start, prefix.length, prefix, 0, prefix.length) === 0;
  return { number: () => false, long: () => false, bytes };
}

function comparison(operator: Comparison, wanted: RawValue): Test {
  const holds = (order: number): boolean => holdsFor(operator, order);
  const [less, equal, greater] = [holds(-1), holds(0), holds(1)];
  const bytes = wanted as Uint8Array;
  return {
    number: (value) => {
      if (value < (wanted as number)) return less;
      if (value > (wanted as number)) return greater;
      // NaN is larger than every number and equals itself, as in keys.
      return value === wanted ? equal : holds(compareRaw(value, wanted));
    },
    long: (value) => (value < (wanted as bigint) ? less : value > (wanted as bigint) ? greater : equal),
    bytes: (arena, start, length) => holds(compareRanges(arena, start, length, bytes, 0, bytes.length)),
  };
}

function holdsFor(operator: Comparison, order: number): boolean {
  switch (operator) {
    case '=':
      return order === 0;
    case '!=':
      return order !== 0;
    case '<':
      return order < 0;
    case '<=':
      return order <= 0;
    case '>':
      return order > 0;
    case '>=':
      return order >= 0;
  }
}

function membership(values: readonly RawValue[]): Test {
  const numbers = new Set(values.filter((value) => typeof value === 'number'));
  const longs = new Set(values.filter((value) => typeof value === 'bigint'));
  const texts = new Set(values.filter((v) => v instanceof Uint8Array).map((v) => Buffer.from(v).toString('latin1')));
  return {
    number: (value) => numbers.has(value),
    long: (value) => longs.has(value),
    bytes: (arena, start, length) => texts.has((arena as Buffer).toString('latin1', start, start + length)),
  };
}

/** False only when no row of a block with such zones can make the filter true. No zone: nothing is known. */
export function mayHold(filter: Filter, zoneOf: (column: number) => Zone | null): boolean {
  switch (filter.kind) {
    case 'and':
      return filter.parts.every((part) => mayHold(part, zoneOf));
    case 'or':
      return filter.parts.some((part) => mayHold(part, zoneOf));
    case 'not':
      return true;
    case 'null': {
      const zone = zoneOf(filter.column.id);
      return zone === null || (filter.isNull ? zone.valueCount < zone.rowCount : zone.valueCount > 0);
    }
    default: {
      const zone = zoneOf(filter.column.id);
      if (zone === null) return true;
      return zone.valueCount > 0 && zone.min !== null && valueMayHold(filter, zone.min, zone.max);
    }
  }
}

/** `max` null: no upper bound is known. */
function valueMayHold(filter: ValueFilter, min: RawValue, max: RawValue | null): boolean {
  const isWithin = (raw: RawValue): boolean => compareRaw(raw, min) >= 0 && (max === null || compareRaw(raw, max) <= 0);
  const { type } = filter.column;
  if (filter.kind === 'in') return filter.values.some((value) => isWithin(rawOf(type, value)));
  if (filter.kind === 'prefix') {
    const { prefix } = filter;
    const low = (min as Uint8Array).subarray(0, prefix.length);
    return compareRaw(low, prefix) <= 0 && (max === null || compareRaw(max, prefix) >= 0);
  }
  const wanted = rawOf(type, filter.value);
  switch (filter.operator) {
    case '=':
      return isWithin(wanted);
    case '!=':
      return true;
    case '<':
      return compareRaw(min, wanted) < 0;
    case '<=':
      return compareRaw(min, wanted) <= 0;
    case '>':
      return max === null || compareRaw(max, wanted) > 0;
    case '>=':
      return max === null || compareRaw(max, wanted) >= 0;
  }
}
