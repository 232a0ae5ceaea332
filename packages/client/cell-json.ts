/** Between a program's values and what stands in the JSON of a request or an answer. */

import { parseColumnType } from '@tidemark/model/column-type';
import { own } from '@tidemark/model/own';
import { valueFromJson } from '@tidemark/model/text/cell-value';
import { formatTimestamp } from '@tidemark/model/text/time';
import { Fault } from '@tidemark/platform/fault';
import type { ClientTable, ColumnTypeName } from './table.ts';
import { isMoment, microsOf, Timestamp } from './timestamp.ts';

type JsonValue = null | boolean | number | string | { readonly $bytes: string };

const NOT_FINITE = new Set(['NaN', 'Infinity', '-Infinity']);

/**
 * A value as JSON. What the column does not take is left for the site to refuse; only what JSON cannot say at all is
 * refused here.
 * @throws {Fault} `invalid`: an invalid Date, or a kind of value no column has.
 */
export function toJson(column: string, value: unknown): JsonValue {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value;
  // JSON has no word for NaN and the infinities; a double column takes their names.
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value === 'bigint') {
    const exact = value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER;
    return exact ? Number(value) : value.toString();
  }
  if (isMoment(value) && !Number.isNaN(value.getTime())) return formatTimestamp(microsOf(value));
  if (value instanceof Uint8Array) {
    return { $bytes: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64') };
  }
  const expected = 'boolean, number, bigint, string, Date, Uint8Array or null';
  throw new Fault('invalid', `column ${column}: ${typeof value} ${String(value)}, expected ${expected}`, {
    column,
    got: String(value),
    expected,
  });
}

/** A row to write as a line of JSON. Undefined cells are left out. @throws {Fault} `invalid`: see `toJson`. */
export function rowToJson(row: Readonly<Record<string, unknown>>): string {
  // Without a prototype: `__proto__` is then a property like any other, for the site to refuse by name.
  const plain = Object.create(null) as Record<string, JsonValue>;
  for (const [column, value] of Object.entries(row)) {
    if (value !== undefined) plain[column] = toJson(column, value);
  }
  return JSON.stringify(plain);
}

/**
 * The place of a row as one text: the same for all ways to write one key, as `12.50` and `12.5` of a decimal.
 * @throws {Fault} `invalid`: see `toJson`
 */
export function rowPlace(table: ClientTable, row: Readonly<Record<string, unknown>>): string {
  const parts = table.key.map((column) => {
    const json = toJson(column, own(row, column) ?? null);
    const type = own(table.definition.columns, column)!;
    if (type === 'string') return json;
    return String(valueFromJson(parseColumnType(type), json) ?? JSON.stringify(json));
  });
  return JSON.stringify([table.keyspace, table.name, ...parts]);
}

/** A cell of an answer as the program's value. @throws {Fault} `corrupt`: not of the column's type. */
export function fromJson(column: string, type: ColumnTypeName, json: unknown): unknown {
  if (json === null || json === undefined) return null;
  switch (type) {
    case 'long':
      if (typeof json === 'number' || typeof json === 'string') return BigInt(json);
      break;
    case 'timestamp':
      if (typeof json === 'string') return Timestamp.from(json);
      break;
    case 'bytes':
      if (typeof json === 'object' && '$bytes' in json)
        return new Uint8Array(Buffer.from(String(json.$bytes), 'base64'));
      break;
    case 'int':
      if (typeof json === 'number') return json;
      break;
    case 'double':
      if (typeof json === 'number') return json;
      if (typeof json === 'string' && NOT_FINITE.has(json)) return Number(json);
      break;
    case 'boolean':
      if (typeof json === 'boolean') return json;
      break;
    case 'string':
    case 'date':
      if (typeof json === 'string') return json;
      break;
    default:
      if (typeof json === 'string' || typeof json === 'number') return String(json);
  }
  const got = JSON.stringify(json);
  throw new Fault('corrupt', `column ${column}: the site sent ${got}, expected ${type}`, {
    column,
    got,
    expected: type,
  });
}

/** A row of an answer by the table's own columns: each is there, null where it has no value. Others are kept as sent. */
export function rowFromJson(table: ClientTable, json: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const row: Record<string, unknown> = { ...json };
  for (const [column, type] of Object.entries(table.definition.columns))
    row[column] = fromJson(column, type, own(json, column));
  return row;
}
