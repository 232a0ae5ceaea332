/**
 * Rows by column, as the SDK sends them (`application/vnd.tidemark.columns`):
 *
 *   u32 little-endian   bytes of the header
 *   header              JSON: {"rowCount": n, "columns": [{"name", "type", "bytes"}, …]}
 *   columns             one after the other, each as `column-codec.ts` has it
 *
 * Key columns are columns like any other, with a value in every row. A boolean column `$delete` that is true in a row
 * deletes the row, which then has its key only.
 */

import { isAscii, isUtf8 } from 'node:buffer';
import { type ColumnType, formatColumnType, LIMITS, parseColumnType, physicalOf } from '@tidemark/model/column-type';
import { checkDynamicColumns } from '@tidemark/model/evolve';
import { checkColumnName } from '@tidemark/model/keyspace-file';
import { type Column, columnNamed, keyColumns, type Table } from '@tidemark/model/table';
import { DATE_DAYS_MAX, DATE_DAYS_MIN, TIMESTAMP_US_MAX } from '@tidemark/model/text/time';
import { textOfUtf8 } from '@tidemark/model/text/utf8';
import { Fault, isFault, messageOf } from '@tidemark/platform/fault';
import { z } from 'zod';
import { decodeColumn } from './column-codec.ts';
import { CELL, ColumnVector } from './column-vector.ts';
import { checkKeyLength, writeKeyPartOf } from './key.ts';
import { ROW, type RowBatch } from './row-batch.ts';
import { type NewColumn, NewColumns, tooMany, unknownColumn } from './row-writer.ts';

/** The media type of rows by column. */
export const COLUMNAR_CONTENT_TYPE = 'application/vnd.tidemark.columns';

/** A few bytes can stand for many cells and a dictionary's entry for many bytes: bounds on what they unfold to. */
const CELLS_MAX = 4 * 1024 * 1024;
const BATCH_BYTES_MAX = 64 * 1024 * 1024;
/** Of a column of booleans: the row is deleted. */
export const DELETE = '$delete';
/** Types that a column can come into being with. */
const DYNAMIC_TYPES = new Set(['boolean', 'long', 'double', 'string', 'bytes']);

const HEADER = z.strictObject({
  rowCount: z.int().min(1).max(LIMITS.batchRowsMax),
  columns: z
    .array(z.strictObject({ name: z.string(), type: z.string(), bytes: z.int().min(2) }))
    .min(1)
    .max(LIMITS.rowColumnsMax + 1),
});

/** A column that came, with the table's column it goes to; null for `$delete`. */
type Arrived = { readonly column: Column | null; readonly bytes: Buffer };

/**
 * Adds all the rows, or none.
 * @throws {Fault} `invalid`: names table, column, row, got and expected; the batch is as before
 * @throws {NewColumns} the table has to grow by columns first; the batch is as before
 */
export function addColumnar(table: Table, bytes: Uint8Array, into: RowBatch): void {
  const { rowCount, arrived } = readHeader(table, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  const start = into.rowCount;
  if (start + rowCount > LIMITS.batchRowsMax) {
    throw tooMany(table, 'rows in a batch', start + rowCount, LIMITS.batchRowsMax);
  }
  try {
    into.addRows(rowCount, ROW.upsert);
    new ColumnarReader(table, into, start, rowCount).take(arrived);
  } catch (error) {
    into.truncate(start);
    throw error;
  }
}

function readHeader(table: Table, bytes: Buffer): { rowCount: number; arrived: Arrived[] } {
  const headerEnd = bytes.length < 4 ? Number.POSITIVE_INFINITY : 4 + bytes.readUInt32LE(0);
  if (headerEnd > bytes.length) throw malformed(table, 'header ends beyond the body', bytes.length, headerEnd);
  const { rowCount, columns } = parseHeader(
    table,
    textOfUtf8(bytes.subarray(4, headerEnd), `table ${table.name}: header`),
  );
  const cells = rowCount * columns.length;
  if (cells > CELLS_MAX) throw tooMany(table, 'cells in a columnar batch', cells, CELLS_MAX);
  const end = columns.reduce((sum, column) => sum + column.bytes, headerEnd);
  if (end !== bytes.length) throw malformed(table, 'body ends where its columns do not', bytes.length, end);
  const wanted: NewColumn[] = [];
  const names = new Set<string>();
  const arrived: Arrived[] = [];
  let at = headerEnd;
  for (const { name, type, bytes: length } of columns) {
    if (names.has(name)) throw malformed(table, 'column comes twice', name, 'each column once', name);
    names.add(name);
    const column = columnFor(table, name, parseColumnType(type), wanted);
    if (column !== undefined) arrived.push({ column, bytes: bytes.subarray(at, at + length) });
    at += length;
  }
  const missing = keyColumns(table).find((column) => !names.has(column.name));
  if (missing !== undefined) throw malformed(table, 'key column is missing', 'nothing', missing.name, missing.name);
  if (wanted.length > 0) throw new NewColumns(table.name, wanted);
  return { rowCount, arrived };
}

function parseHeader(table: Table, text: string): z.infer<typeof HEADER> {
  try {
    return HEADER.parse(JSON.parse(text));
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error).replaceAll('\n', ' ') : messageOf(error);
    throw malformed(table, 'header cannot be read', why, '{"rowCount", "columns": [{"name", "type", "bytes"}]}');
  }
}

/** The column it goes to; undefined when the table has to grow by it first. */
function columnFor(table: Table, name: string, type: ColumnType, wanted: NewColumn[]): Column | null | undefined {
  const got = formatColumnType(type);
  if (name === DELETE) {
    if (type.name !== 'boolean') throw malformed(table, 'column has another type', got, 'boolean', name);
    return null;
  }
  const column = columnNamed(table, name);
  if (column === undefined) {
    if (table.dynamicColumnsMax === 0) throw unknownColumn(table, name, `a column of ${got}`);
    checkColumnName(table.name, name);
    const expected = [...DYNAMIC_TYPES].join(', ');
    if (!DYNAMIC_TYPES.has(type.name)) throw malformed(table, 'column is new', got, `one of ${expected}`, name);
    wanted.push({ name, type });
    checkDynamicColumns(table, table.dynamicColumns + wanted.length, name);
    return undefined;
  }
  const expected = formatColumnType(column.type);
  const widens = got === 'int' && expected === 'long';
  if (got !== expected && !widens) throw malformed(table, 'column has another type', got, expected, name);
  return column;
}

/** Takes the columns of one request into rows `start …` of a batch. */
class ColumnarReader {
  readonly #table: Table;
  readonly #into: RowBatch;
  readonly #start: number;
  readonly #rowCount: number;
  readonly #rowBytes: Float64Array;

  constructor(table: Table, into: RowBatch, start: number, rowCount: number) {
    this.#table = table;
    this.#into = into;
    this.#start = start;
    this.#rowCount = rowCount;
    this.#rowBytes = new Float64Array(rowCount);
  }

  take(arrived: readonly Arrived[]): void {
    const deleted = arrived.find(({ column }) => column === null);
    if (deleted !== undefined) this.#takeDeleted(deleted.bytes);
    const parts = new Map<number, ColumnVector>();
    for (const { column, bytes } of arrived) {
      if (column === null) continue;
      const isKey = this.#table.key.includes(column.id);
      const vector = isKey ? new ColumnVector(physicalOf(column.type)) : this.#into.column(this.#table, column.id);
      const toRow = isKey ? 0 : this.#start;
      this.#decode(column.name, bytes, vector, toRow);
      // As `row-writer.ts` does: there is no −0 in cells.
      if (column.type.name === 'double') {
        for (let row = toRow; row < toRow + this.#rowCount; row++) vector.f64[row]! += 0;
      }
      this.#check(column, vector, toRow, isKey, bytes[0] === 0);
      if (isKey) parts.set(column.id, vector);
    }
    this.#takeKeys(keyColumns(this.#table).map((column) => ({ column, vector: parts.get(column.id)! })));
    this.#checkSizes();
  }

  #decode(name: string, bytes: Buffer, vector: ColumnVector, toRow: number): void {
    try {
      decodeColumn(bytes, this.#rowCount, vector, toRow);
    } catch (error) {
      if (!isFault(error, 'corrupt')) throw error;
      throw malformed(this.#table, `column cannot be read: ${error.message}`, error.details.got, 'its encoding', name);
    }
  }

  #takeDeleted(bytes: Buffer): void {
    const vector = new ColumnVector('u8');
    this.#decode(DELETE, bytes, vector, 0);
    for (let i = 0; i < this.#rowCount; i++) {
      const isDeleted = vector.presence[i] === CELL.value && vector.u8[i] === 1;
      if (isDeleted) this.#into.flags[this.#start + i] = ROW.delete;
    }
  }

  #check(column: Column, vector: ColumnVector, toRow: number, isKey: boolean, isFull: boolean): void {
    const within = checkOf(column.type, vector, isKey);
    if (isKey && isFull && within === null) return;
    for (let i = 0; i < this.#rowCount; i++) {
      const row = toRow + i;
      const state = vector.presence[row];
      if (isKey && state !== CELL.value) throw this.#wrong(column, i, 'nothing', 'a value, for it is part of the key');
      if (state === CELL.absent) continue;
      if (!isKey && this.#into.flags[this.#start + i] === ROW.delete) {
        throw this.#wrong(column, i, 'a cell', 'only the key in a row that is to be deleted');
      }
      if (state === CELL.deleted) continue;
      if (within !== null && !within(row))
        throw this.#wrong(column, i, 'something else', formatColumnType(column.type));
      if (isKey) continue;
      const bytes = bytesOf(vector, row);
      if (bytes > LIMITS.cellBytesMax) {
        throw this.#wrong(column, i, `${bytes} bytes`, `at most ${LIMITS.cellBytesMax} in a cell`);
      }
      this.#rowBytes[i]! += bytes;
    }
  }

  #takeKeys(parts: readonly { readonly column: Column; readonly vector: ColumnVector }[]): void {
    const { keys, partitionKeyLengths } = this.#into;
    for (let i = 0; i < this.#rowCount; i++) {
      const row = this.#start + i;
      const from = keys.arenaUsed;
      let at = from;
      for (let part = 0; part < parts.length; part++) {
        const { column, vector } = parts[part]!;
        const isBytes = vector.kind === 'bytes';
        if (isBytes) checkKeyLength(this.#table, at - from + vector.lengths[i]! + 2);
        keys.reserveBytes(at - from + (isBytes ? vector.lengths[i]! * 2 + 2 : 8));
        at = writeKeyPartOf(keys.arena, at, column.type, vector, i);
        if (part === 0) partitionKeyLengths[row] = at - from;
      }
      checkKeyLength(this.#table, at - from);
      keys.takeBytes(row, at - from);
      this.#rowBytes[i]! += at - from;
    }
  }

  #checkSizes(): void {
    let total = 0;
    for (const bytes of this.#rowBytes) {
      if (bytes > LIMITS.rowBytesMax) throw tooMany(this.#table, 'bytes in a row', bytes, LIMITS.rowBytesMax);
      total += bytes;
    }
    if (total > BATCH_BYTES_MAX) throw tooMany(this.#table, 'bytes in a columnar batch', total, BATCH_BYTES_MAX);
  }

  #wrong(column: Column, row: number, got: string, expected: string): Fault {
    return malformed(this.#table, `row ${row} is wrong`, got, expected, column.name);
  }
}

function bytesOf(vector: ColumnVector, row: number): number {
  if (vector.kind === 'bytes') return vector.lengths[row]!;
  return vector.kind === 'u8' ? 1 : vector.kind === 'i32' ? 4 : 8;
}

/**
 * Says of a row whether what the vector holds there is a value of the type; null when all it can hold are.
 * A key's NaN has no order.
 */
function checkOf(type: ColumnType, vector: ColumnVector, isKey: boolean): ((row: number) => boolean) | null {
  switch (type.name) {
    case 'boolean':
      return (row) => vector.u8[row]! <= 1;
    case 'date':
      return (row) => vector.i32[row]! >= DATE_DAYS_MIN && vector.i32[row]! <= DATE_DAYS_MAX;
    case 'timestamp':
      return (row) => Math.abs(vector.f64[row]!) <= TIMESTAMP_US_MAX;
    case 'decimal': {
      const end = 10n ** BigInt(type.precision);
      return (row) => vector.i64[row]! < end && vector.i64[row]! > -end;
    }
    case 'string':
      if (isAscii(vector.arena.subarray(0, vector.arenaUsed))) return null;
      return (row) => isUtf8(vector.bytesAt(row));
    case 'double':
      return isKey ? (row) => !Number.isNaN(vector.f64[row]!) : null;
    case 'int':
    case 'long':
    case 'bytes':
      return null;
  }
}

function malformed(table: Table, what: string, got: unknown, expected: unknown, column?: string): Fault {
  const where = column === undefined ? `table ${table.name}` : `table ${table.name}, column ${column}`;
  const details = { table: table.name, ...(column === undefined ? {} : { column }), got, expected };
  return new Fault('invalid', `${where}: ${what}: got ${String(got)}, expected ${String(expected)}`, details);
}
