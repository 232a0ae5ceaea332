/** One cell's value as JSON and as text (command line, CSV, URL), both ways. */

import { Fault } from '@tidemark/platform/fault';
import { type ColumnType, formatColumnType, type Value } from '../column-type.ts';
import type { Column } from '../table.ts';
import { decimalOf, ExactNumber } from './exact-json.ts';
import { dateFromText, formatDate, formatTimestamp, timestampFromText } from './time.ts';

/**
 * A cell in JSON: timestamp RFC 3339, date `YYYY-MM-DD`, decimal its digits as a string, bytes `{"$bytes": base64}`,
 * a long beyond 2^53 its digits as a string, and NaN and the infinities their names.
 */
export type JsonCell = boolean | number | string | { readonly $bytes: string };

const INT_MAX = 2_147_483_647;
const LONG_MAX = (1n << 63n) - 1n;
/** Digits of a decimal number that a double carries unchanged. */
const EXACT_DIGITS = 15;
/** A longer text is no decimal, however many of its digits are zeros. */
const DECIMAL_LENGTH_MAX = 96;
const NOT_FINITE = new Map([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].map((n) => [String(n), n]));

/** What a column of each type takes, for messages. */
const EXPECTED: Record<ColumnType['name'], string> = {
  boolean: 'boolean (true or false)',
  int: 'int (a whole number from -2147483648 to 2147483647)',
  long: 'long (a whole number of 64 bits; beyond 2^53 its digits as a string)',
  double: 'double (a number)',
  string: 'string (well-formed Unicode)',
  bytes: 'bytes ({"$bytes": base64})',
  timestamp: 'timestamp (RFC 3339 between 1684-07-28 and 2255-06-05, like 2001-01-10T18:20:00Z)',
  date: 'date (a day that exists, like 2001-01-10)',
  decimal: 'its digits as a string, or a number of at most 15 digits',
};

/** What a cell of the type looks like, for messages that refuse one. */
export function expectedOf(type: ColumnType): string {
  return type.name === 'decimal' ? `${formatColumnType(type)} (${EXPECTED.decimal})` : EXPECTED[type.name];
}

/** A JSON value as a value of the type; undefined when it is none. `null` is for the caller to know. */
export function valueFromJson(type: ColumnType, json: unknown): Value | undefined {
  switch (type.name) {
    case 'boolean':
      return typeof json === 'boolean' ? json : undefined;
    case 'int':
      return typeof json === 'number' && (json | 0) === json ? json + 0 : undefined;
    case 'long':
      if (typeof json === 'number') return Number.isSafeInteger(json) ? BigInt(json) : undefined;
      return typeof json === 'string' ? longFromText(json) : undefined;
    case 'double':
      if (typeof json === 'number') return Number.isFinite(json) ? json : undefined;
      // Rounding is what a double is for.
      if (json instanceof ExactNumber) return doubleFromText(json.digits);
      return typeof json === 'string' ? NOT_FINITE.get(json) : undefined;
    case 'string':
      return typeof json === 'string' ? json : undefined;
    case 'bytes':
      return bytesFromJson(json);
    case 'timestamp':
      return typeof json === 'string' ? numberOrNone(timestampFromText(json)) : undefined;
    case 'date':
      return typeof json === 'string' ? numberOrNone(dateFromText(json)) : undefined;
    case 'decimal':
      return decimalFromJson(type.precision, type.scale, json);
  }
}

/** A text as a value of the type; undefined when it is none. Bytes are base64, also as in URLs. */
export function valueFromText(type: ColumnType, text: string): Value | undefined {
  switch (type.name) {
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : undefined;
    case 'int': {
      const value = /^-?\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
      return Math.abs(value) <= INT_MAX || value === -INT_MAX - 1 ? value : undefined;
    }
    case 'long':
      return longFromText(text);
    case 'double':
      return doubleFromText(text);
    case 'string':
      return text;
    case 'bytes':
      return bytesFromBase64(text);
    case 'timestamp':
      return numberOrNone(timestampFromText(text));
    case 'date':
      return numberOrNone(dateFromText(text));
    case 'decimal':
      return decimalFromText(type.precision, type.scale, text);
  }
}

function numberOrNone(value: number): number | undefined {
  return Number.isNaN(value) ? undefined : value;
}

function longFromText(text: string): bigint | undefined {
  if (!/^-?\d{1,19}$/.test(text)) return undefined;
  const value = BigInt(text);
  return value >= -LONG_MAX - 1n && value <= LONG_MAX ? value : undefined;
}

function doubleFromText(text: string): number | undefined {
  if (!/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text)) return NOT_FINITE.get(text);
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

function bytesFromJson(json: unknown): Uint8Array | undefined {
  if (typeof json !== 'object' || json === null) return undefined;
  const { $bytes, ...rest } = json as { readonly $bytes?: unknown };
  return typeof $bytes === 'string' && Object.keys(rest).length === 0 ? bytesFromBase64($bytes) : undefined;
}

/** Padding may be missing; anything else that is not base64 makes it none. */
function bytesFromBase64(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64');
  const bare = text
    .replace(/={1,2}$/, '')
    .replaceAll('+', '-')
    .replaceAll('/', '_');
  return bytes.toString('base64url') === bare ? bytes : undefined;
}

/** A number says which decimal was meant as long as it has no more digits than every double holds. */
function decimalFromJson(precision: number, scale: number, json: unknown): bigint | undefined {
  if (typeof json === 'string') return decimalFromText(precision, scale, json);
  if (typeof json !== 'number') return undefined;
  const text = String(json);
  const digits = decimalOf(text)?.digits.replace('-', '').length ?? Number.POSITIVE_INFINITY;
  return digits <= EXACT_DIGITS ? decimalFromText(precision, scale, text) : undefined;
}

/** Digits beyond the scale must be zeros; the value × 10^scale has at most `precision` digits. */
function decimalFromText(precision: number, scale: number, text: string): bigint | undefined {
  if (text.length > DECIMAL_LENGTH_MAX || !/^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text)) return undefined;
  const decimal = decimalOf(text);
  if (decimal === null) return undefined;
  const { digits, power } = decimal;
  if (digits === '') return 0n;
  const isNegative = digits.startsWith('-');
  const bare = isNegative ? digits.slice(1) : digits;
  // Digits that the value × 10^scale has; those that it would have behind the point are lost.
  const length = power + scale;
  if (bare.length > length || length > precision) return undefined;
  const value = BigInt(bare.padEnd(length, '0'));
  return isNegative ? -value : value;
}

/** The value of a decimal column that an unscaled whole number of another scale stands for; undefined when it has no room. */
export function decimalOfScale(
  type: ColumnType & { name: 'decimal' },
  unscaled: bigint,
  scale: number,
): bigint | undefined {
  return decimalFromText(type.precision, type.scale, `${unscaled}e${-scale}`);
}

/** A cell as JSON. The inverse of `valueFromJson`. */
export function cellToJson(type: ColumnType, value: Value): JsonCell {
  switch (type.name) {
    case 'long':
      return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
    case 'double':
      return Number.isFinite(value) ? (value as number) : String(value);
    case 'bytes':
      return { $bytes: base64Of(value as Uint8Array, 'base64') };
    case 'boolean':
    case 'int':
    case 'string':
      return value as boolean | number | string;
    case 'timestamp':
    case 'date':
    case 'decimal':
      return cellToText(type, value);
  }
}

/** A cell as text. The inverse of `valueFromText`. */
export function cellToText(type: ColumnType, value: Value): string {
  if (type.name === 'timestamp') return formatTimestamp(value as number);
  if (type.name === 'date') return formatDate(value as number);
  if (type.name === 'bytes') return base64Of(value as Uint8Array, 'base64url');
  return type.name === 'decimal' ? decimalToText(value as bigint, type.scale) : String(value);
}

function base64Of(bytes: Uint8Array, encoding: 'base64' | 'base64url'): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString(encoding);
}

function decimalToText(value: bigint, scale: number): string {
  const digits = String(value < 0n ? -value : value).padStart(scale + 1, '0');
  const sign = value < 0n ? '-' : '';
  return scale === 0 ? sign + digits : `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

/** @throws {Fault} `invalid`: no value of the column's type; names both. `null` is none. */
export function parseJsonValue(column: Column, json: unknown): Value {
  const value = valueFromJson(column.type, json);
  if (value === undefined || !isWellFormed(value)) throw wrongType(null, column.name, json, expectedOf(column.type));
  return value;
}

/** @throws {Fault} `invalid`: no value of the column's type; names both. */
export function parseText(column: Column, text: string): Value {
  const value = valueFromText(column.type, text);
  if (value === undefined || !isWellFormed(value)) throw wrongType(null, column.name, text, expectedOf(column.type));
  return value;
}

function isWellFormed(value: Value): boolean {
  return typeof value !== 'string' || value.isWellFormed();
}

/** The Fault of a value a column does not take. */
export function wrongType(table: string | null, column: string, raw: unknown, expected: string): Fault {
  const where = table === null ? `column ${column}` : `table ${table}, column ${column}`;
  const got = shown(raw);
  const details = { ...(table === null ? {} : { table }), column, got, expected };
  return new Fault('invalid', `${where}: got ${got}, expected ${expected}`, details);
}

const SHOWN_LENGTH_MAX = 80;

/** Anything as a short text, for messages. */
export function shown(raw: unknown): string {
  if (typeof raw === 'bigint') return String(raw);
  if (raw instanceof Uint8Array) return `${raw.length} bytes`;
  if (raw instanceof ExactNumber) return raw.digits;
  const text = typeof raw === 'string' ? JSON.stringify(raw.slice(0, SHOWN_LENGTH_MAX + 1)) : JSON.stringify(raw);
  if (text === undefined) return 'nothing';
  return text.length <= SHOWN_LENGTH_MAX ? text : `${text.slice(0, SHOWN_LENGTH_MAX)}…`;
}
