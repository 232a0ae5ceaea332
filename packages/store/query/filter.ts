/**
 * Evaluates a filter over the columns of a block, keeping a list of the rows that are left. Three values, as in SQL: a
 * comparison with a missing cell is neither true nor false. Each part is asked only about the rows the parts before left.
 */

import { CELL } from '@tidemark/columnar/column-vector';
import { physicalOf } from '@tidemark/model/column-type';
import type { Comparison, Filter } from '@tidemark/model/filter';
import {
  type BytesChunk,
  type Chunk,
  entryBytes,
  hasValue,
  type LongChunk,
  type NumberChunk,
  numberAt,
} from '../encoding/chunk.ts';
import { intervalOf } from '../encoding/interval.ts';
import { compareRaw, type RawValue, type Zone } from '../encoding/zone.ts';
import { compareRanges } from '../row/bytes.ts';
import { rawOf } from '../row/raw-value.ts';
import { nextTurn } from '../row/turn.ts';
import { rowsOfCodes, rowsOfInterval, rowsWithin } from './kernels.ts';
import { membersOf } from './members.ts';

/** Columns by id; one that is not there has no cell in any row. */
export type ColumnOf = (column: number) => Chunk | undefined;

/** Those of the rows for which the filter is true. `rows` is ascending and is not changed. */
export function select(filter: Filter, rows: Uint32Array, columnOf: ColumnOf): Uint32Array {
  return rowsWhere(filter, true, rows, columnOf);
}

/** What looking a value up in a set costs, and comparing bytes or 64 bits, in comparisons of two numbers. */
const LOOK_COST = 16;
const LONG_COST = 4;

/** What the filter costs a row at most, in comparisons of two numbers. */
export function costOf(filter: Filter): number {
  if ('parts' in filter) return filter.parts.reduce((sum, part) => sum + costOf(part), 0);
  if ('part' in filter) return costOf(filter.part);
  if (filter.kind === 'null') return 1;
  if (filter.kind === 'in') return LOOK_COST;
  const physical = physicalOf(filter.column.type);
  return physical === 'i64' || physical === 'bytes' ? LONG_COST : 1;
}

/** Rows × what a row costs, between two turns: a few milliseconds. */
export const SLICE_COST = 131_072;
const SLICE_ROWS_MIN = 64;

/** As `select`, with a turn for others between stretches of the rows where the filter costs much. */
export async function selectInTurns(
  filter: Filter,
  cost: number,
  rows: Uint32Array,
  columnOf: ColumnOf,
): Promise<Uint32Array> {
  const stretch = Math.max(SLICE_ROWS_MIN, Math.floor(SLICE_COST / Math.max(1, cost)));
  if (rows.length <= stretch) return select(filter, rows, columnOf);
  const chosen = new Uint32Array(rows.length);
  let count = 0;
  for (let from = 0; from < rows.length; from += stretch) {
    const some = select(filter, rows.subarray(from, from + stretch), columnOf);
    chosen.set(some, count);
    count += some.length;
    await nextTurn();
  }
  return chosen.subarray(0, count);
}

/** Rows for which the filter is true, or for which it is false; those for which it is unknown are in neither. */
function rowsWhere(filter: Filter, wanted: boolean, rows: Uint32Array, columnOf: ColumnOf): Uint32Array {
  if (rows.length === 0) return rows;
  switch (filter.kind) {
    case 'not':
      return rowsWhere(filter.part, !wanted, rows, columnOf);
    case 'and':
    case 'or':
      return (filter.kind === 'and') === wanted
        ? filter.parts.reduce((left, part) => rowsWhere(part, wanted, left, columnOf), rows)
        : rowsOfAny(filter.parts, wanted, rows, columnOf);
    case 'null': {
      const column = columnOf(filter.column.id);
      const isNull = filter.isNull === wanted;
      return rows.filter((row) => (column !== undefined && hasValue(column, row)) !== isNull);
    }
    default: {
      const column = columnOf(filter.column.id);
      if (column === undefined) return rows.subarray(0, 0);
      if (column.form === 'numbers') return ofNumbers(filter, wanted, rows, column);
      return column.form === 'longs' ? ofLongs(filter, wanted, rows, column) : ofBytes(filter, wanted, rows, column);
    }
  }
}

/** Rows that one of the parts chooses; each part is asked about those that none before it chose. */
function rowsOfAny(parts: readonly Filter[], wanted: boolean, rows: Uint32Array, columnOf: ColumnOf): Uint32Array {
  let left = rows;
  for (const part of parts) {
    const more = rowsWhere(part, wanted, left, columnOf);
    if (more.length > 0) left = without(left, more);
    if (left.length === 0) return rows;
  }
  return left.length === rows.length ? rows.subarray(0, 0) : without(rows, left);
}

/** Both ascending, `taken` a part of `rows`. */
function without(rows: Uint32Array, taken: Uint32Array): Uint32Array {
  let at = 0;
  return rows.filter((row) => {
    if (at === taken.length || taken[at] !== row) return true;
    at++;
    return false;
  });
}

type ValueFilter = Extract<Filter, { readonly kind: 'compare' | 'in' | 'prefix' }>;

function ofNumbers(filter: ValueFilter, wanted: boolean, rows: Uint32Array, chunk: NumberChunk): Uint32Array {
  const into = new Uint32Array(rows.length);
  if (filter.kind === 'compare') {
    const value = rawOf(filter.column.type, filter.value) as number | bigint;
    const interval = intervalOf(filter.operator, value, chunk);
    const { low, high, nan, isNot } = interval;
    const first = rows[0]!;
    const isDense = chunk.presence === null && rows.at(-1)! - first === rows.length - 1;
    const isPlain = isDense && isNot !== wanted && (!nan || !(chunk.data instanceof Float64Array));
    const count = isPlain
      ? rowsWithin(chunk.data, first, first + rows.length, low, high, into)
      : rowsOfInterval(chunk, rows, wanted ? interval : { ...interval, isNot: !isNot }, into);
    return into.subarray(0, count);
  }
  const members: ReadonlySet<number> = filter.kind === 'in' ? membersOf(filter).numbers : new Set();
  let count = 0;
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!;
    if (hasValue(chunk, row) && members.has(numberAt(chunk, row)) === wanted) into[count++] = row;
  }
  return into.subarray(0, count);
}

function ofLongs(filter: ValueFilter, wanted: boolean, rows: Uint32Array, chunk: LongChunk): Uint32Array {
  const holds = longTest(filter);
  return rows.filter((row) => hasValue(chunk, row) && holds(chunk.data[row]!) === wanted);
}

function longTest(filter: ValueFilter): (value: bigint) => boolean {
  if (filter.kind === 'prefix') return () => false;
  if (filter.kind === 'in') {
    const members = membersOf(filter).longs;
    return (value) => members.has(value);
  }
  const wanted = rawOf(filter.column.type, filter.value) as bigint;
  const [less, equal, greater] = [-1, 0, 1].map((order) => holdsFor(filter.operator, order)) as [
    boolean,
    boolean,
    boolean,
  ];
  return (value) => (value < wanted ? less : value > wanted ? greater : equal);
}

/** A dictionary's entries are tested once each, not once a row. */
function ofBytes(filter: ValueFilter, wanted: boolean, rows: Uint32Array, chunk: BytesChunk): Uint32Array {
  const holds = bytesTest(filter);
  const { codes, presence } = chunk;
  if (codes === null || chunk.entryCount > rows.length) {
    return rows.filter((row) => {
      return hasValue(chunk, row) && holds(chunk, codes === null ? row : codes[row]!) === wanted;
    });
  }
  const chosen = new Uint8Array(chunk.entryCount);
  for (let entry = 0; entry < chunk.entryCount; entry++) chosen[entry] = Number(holds(chunk, entry) === wanted);
  const present = presence === null ? rows : rows.filter((row) => presence[row] === CELL.value);
  const into = new Uint32Array(present.length);
  return into.subarray(0, rowsOfCodes(codes, chosen, present, into));
}

function bytesTest(filter: ValueFilter): (chunk: BytesChunk, entry: number) => boolean {
  if (filter.kind === 'in') {
    const members = membersOf(filter).texts;
    return (chunk, entry) => members.has(entryBytes(chunk, entry).toString('latin1'));
  }
  if (filter.kind === 'prefix') {
    const { prefix } = filter;
    return ({ arena, starts, lengths }, entry) =>
      lengths[entry]! >= prefix.length &&
      compareRanges(arena, starts[entry]!, prefix.length, prefix, 0, prefix.length) === 0;
  }
  const bytes = rawOf(filter.column.type, filter.value) as Uint8Array;
  const { operator } = filter;
  return ({ arena, starts, lengths }, entry) =>
    holdsFor(operator, compareRanges(arena, starts[entry]!, lengths[entry]!, bytes, 0, bytes.length));
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
  if (filter.kind === 'in') return membersOf(filter).mayBeWithin(min, max);
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
