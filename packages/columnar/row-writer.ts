/**
 * One row's fields, by column name, into a batch: what JSON rows and the ingest topic's records have in common. The
 * row is taken whole or, on any fault, not at all.
 */

import { type ColumnType, LIMITS, type Physical, physicalOf, type Value } from '@tidemark/model/column-type';
import { checkDynamicColumns } from '@tidemark/model/evolve';
import { checkColumnName } from '@tidemark/model/keyspace-file';
import { nearestHint } from '@tidemark/model/nearest';
import type { Column, Table } from '@tidemark/model/table';
import { expectedOf, shown, wrongType } from '@tidemark/model/text/cell-value';
import { Fault } from '@tidemark/platform/fault';
import type { ColumnVector } from './column-vector.ts';
import { checkKeyLength, keyPartBytesMax, writeKeyPart } from './key.ts';
import { ROW, type RowBatch } from './row-batch.ts';

/** How a source's raw values become values. */
export type RowFormat = {
  /** Undefined when the raw value is none of the type. `null` never gets here. */
  toValue(type: ColumnType, raw: unknown): Value | undefined;
  /** What a raw value of the type is, in words, where they are not those of JSON. */
  expected?(type: ColumnType): string;
  /** The type of the column that a raw value in an undeclared one makes; null when it makes none. */
  infer(raw: unknown): ColumnType | null;
  /** Field names that are no columns. */
  readonly reserved: readonly string[];
};

/** A column a row needs and its table does not have yet. */
export type NewColumn = { readonly name: string; readonly type: ColumnType };

/**
 * Thrown, the batch unchanged, when a row that is otherwise right names columns its table may grow by: add each with
 * `addDynamicColumn`, then take the row again. Not a Fault: nobody is to be told.
 */
export class NewColumns extends Error {
  readonly table: string;
  readonly columns: readonly NewColumn[];

  constructor(table: string, columns: readonly NewColumn[]) {
    super(`table ${table} is to grow by ${columns.map((c) => c.name).join(', ')}`);
    this.name = 'NewColumns';
    this.table = table;
    this.columns = columns;
  }
}

/** A column as the writing loop wants it. */
type Target = { readonly column: Column; readonly isKey: boolean; readonly physical: Physical };
type Plan = { readonly key: readonly Column[]; readonly byName: ReadonlyMap<string, Target> };

const plans = new WeakMap<Table, Plan>();

function planOf(table: Table): Plan {
  const known = plans.get(table);
  if (known !== undefined) return known;
  const live = table.columns.filter((column) => !column.dropped);
  const target = (column: Column): Target => ({
    column,
    isKey: table.key.includes(column.id),
    physical: physicalOf(column.type),
  });
  const key = table.key.map((id) => live.find((column) => column.id === id)!);
  const plan = { key, byName: new Map(live.map((column) => [column.name, target(column)])) };
  plans.set(table, plan);
  return plan;
}

/** A row's values by column name, unchecked. */
export type Fields = { readonly [column: string]: unknown };

/**
 * Adds a row. A field that is undefined is absent, null deletes its cell.
 * @param flag one of ROW; a row to be deleted has key fields only
 * @throws {Fault} `invalid`: names table, column, what was got and what is expected; the batch is as before
 * @throws {NewColumns} the table has to grow first; the batch is as before
 */
export function addRow(table: Table, flag: number, fields: Fields, into: RowBatch, format: RowFormat): void {
  const plan = planOf(table);
  if (into.rowCount >= LIMITS.batchRowsMax)
    throw tooMany(table, 'rows in a batch', into.rowCount + 1, LIMITS.batchRowsMax);
  const row = into.addRow(flag);
  try {
    const keyBytes = writeKey(table, plan.key, fields, row, into, format);
    writeCells(table, plan, fields, row, into, format, keyBytes);
  } catch (error) {
    into.dropLastRow();
    throw error;
  }
}

/** Writes the key straight into the batch's arena. @returns its bytes */
function writeKey(
  table: Table,
  columns: readonly Column[],
  fields: Fields,
  row: number,
  into: RowBatch,
  format: RowFormat,
): number {
  const { keys } = into;
  const start = keys.arenaUsed;
  let at = start;
  for (let i = 0; i < columns.length; i++) {
    const column = columns[i]!;
    const value = keyValue(table, column, fields[column.name], format);
    if (typeof value === 'string' || value instanceof Uint8Array) checkKeyLength(table, at - start + value.length + 2);
    keys.reserveBytes(at - start + keyPartBytesMax(value));
    at = writeKeyPart(keys.arena, at, column.type, value);
    if (i === 0) into.partitionKeyLengths[row] = at - start;
  }
  checkKeyLength(table, at - start);
  keys.takeBytes(row, at - start);
  return at - start;
}

function keyValue(table: Table, column: Column, raw: unknown, format: RowFormat): Value {
  if (raw === undefined || raw === null || typeof raw === 'function') {
    const got = raw === null ? 'null' : 'nothing';
    const expected = `a value, for it is part of the key: ${expectedBy(format, column.type)}`;
    throw wrongKey(table, column, got, expected);
  }
  const value = format.toValue(column.type, raw);
  if (value === undefined || (typeof value === 'string' && !value.isWellFormed())) {
    throw wrongType(table.name, column.name, raw, expectedBy(format, column.type));
  }
  if (Number.isNaN(value)) throw wrongKey(table, column, 'NaN', 'a number that has an order');
  return value;
}

function expectedBy(format: RowFormat, type: ColumnType): string {
  return format.expected?.(type) ?? expectedOf(type);
}

function wrongKey(table: Table, column: Column, got: string, expected: string): Fault {
  const message = `table ${table.name}, column ${column.name}: got ${got}, expected ${expected}`;
  return new Fault('invalid', message, { table: table.name, column: column.name, got, expected });
}

function writeCells(
  table: Table,
  plan: Plan,
  fields: Fields,
  row: number,
  into: RowBatch,
  format: RowFormat,
  keyBytes: number,
): void {
  let rowBytes = keyBytes;
  let count = 0;
  const strangers: string[] = [];
  for (const name in fields) {
    const raw = fields[name];
    if (raw === undefined) continue;
    const target = plan.byName.get(name);
    if (target === undefined) {
      if (!format.reserved.includes(name)) strangers.push(name);
      continue;
    }
    count++;
    if (target.isKey) continue;
    if (into.flags[row] === ROW.delete) throw cellOfDeleted(table, name, raw);
    const vector = into.column(table, target.column.id);
    if (raw === null) vector.setDeleted(row);
    else rowBytes += writeCell(table, target, raw, row, vector, format);
  }
  if (rowBytes > LIMITS.rowBytesMax) throw tooMany(table, 'bytes in a row', rowBytes, LIMITS.rowBytesMax);
  if (strangers.length === 0 && count <= LIMITS.rowColumnsMax) return;
  count += strangers.length;
  if (count > LIMITS.rowColumnsMax) throw tooMany(table, 'columns in a row', count, LIMITS.rowColumnsMax);
  const columns = newColumns(table, into.flags[row]!, strangers, fields, format);
  if (columns.length > 0) throw new NewColumns(table.name, columns);
}

/** @returns the bytes the cell takes */
function writeCell(
  table: Table,
  target: Target,
  raw: unknown,
  row: number,
  vector: ColumnVector,
  format: RowFormat,
): number {
  const { column } = target;
  const value = format.toValue(column.type, raw);
  if (value === undefined) throw wrongType(table.name, column.name, raw, expectedBy(format, column.type));
  switch (target.physical) {
    case 'u8':
      vector.setNumber(row, value === true ? 1 : 0);
      return 1;
    case 'i32':
      vector.setNumber(row, value as number);
      return 4;
    case 'f64':
    case 'whole':
      // Adding 0 makes −0 into 0, so that a cell is the same in JSON, which has no −0 in many hands, and elsewhere.
      vector.setNumber(row, (value as number) + 0);
      return 8;
    case 'i64':
      vector.setBigint(row, value as bigint);
      return 8;
    case 'bytes':
      return writeBytes(table, column, value as string | Uint8Array, row, vector);
  }
}

function writeBytes(
  table: Table,
  column: Column,
  value: string | Uint8Array,
  row: number,
  vector: ColumnVector,
): number {
  // A string has at least as many bytes as UTF-16 units: what is too long this way is not written at all.
  if (value.length > LIMITS.cellBytesMax) throw cellTooLong(table, column, Buffer.byteLength(value));
  if (typeof value !== 'string') {
    vector.setBytes(row, value);
    return value.length;
  }
  const bytes = vector.setString(row, value);
  if (bytes !== value.length && !value.isWellFormed()) {
    throw wrongType(table.name, column.name, value, expectedOf(column.type));
  }
  if (bytes > LIMITS.cellBytesMax) throw cellTooLong(table, column, bytes);
  return bytes;
}

/** The columns a row's unknown fields make. @throws {Fault} `invalid`: they make none. */
function newColumns(
  table: Table,
  flag: number,
  names: readonly string[],
  fields: Fields,
  format: RowFormat,
): NewColumn[] {
  const columns: NewColumn[] = [];
  for (const name of names) {
    if (table.dynamicColumnsMax === 0) throw unknownColumn(table, name, fields[name]);
    checkColumnName(table.name, name);
    if (flag === ROW.delete) throw cellOfDeleted(table, name, fields[name]);
    const raw = fields[name];
    if (raw === null) continue;
    const type = format.infer(raw);
    const value = type === null ? undefined : format.toValue(type, raw);
    if (type === null || value === undefined || (typeof value === 'string' && !value.isWellFormed())) {
      throw wrongType(table.name, name, raw, 'a boolean, a number, a string or bytes, for the column is a new one');
    }
    columns.push({ name, type });
    checkDynamicColumns(table, table.dynamicColumns + columns.length, name);
  }
  return columns;
}

/** The Fault of a column its table does not have; names the nearest. */
export function unknownColumn(table: Table, name: string, raw: unknown): Fault {
  const known = table.columns.filter((c) => !c.dropped).map((c) => c.name);
  const expected = `one of ${known.slice(0, 50).join(', ')}${known.length > 50 ? ', …' : ''}`;
  const message = `table ${table.name} has no column ${shown(name)}${nearestHint(name, known)}: got ${shown(raw)} for it`;
  return new Fault('invalid', message, { table: table.name, column: name, got: name, expected });
}

function cellOfDeleted(table: Table, name: string, raw: unknown): Fault {
  return wrongType(table.name, name, raw, 'only the key in a row that is to be deleted');
}

function cellTooLong(table: Table, column: Column, bytes: number): Fault {
  const message = `table ${table.name}, column ${column.name}: the cell takes ${bytes} bytes, at most ${LIMITS.cellBytesMax}`;
  return new Fault('invalid', message, {
    table: table.name,
    column: column.name,
    got: bytes,
    expected: LIMITS.cellBytesMax,
  });
}

/** The Fault of a limit that is passed; names both numbers. */
export function tooMany(table: Table, what: string, got: number, expected: number): Fault {
  const message = `table ${table.name}: ${got} ${what}, at most ${expected}`;
  return new Fault('invalid', message, { table: table.name, got, expected });
}
