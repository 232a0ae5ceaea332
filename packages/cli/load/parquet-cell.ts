/** One cell of a Parquet file as JSON, in the form that the table's column takes where there is one; never rounded. */

import { isUtf8 } from 'node:buffer';
import type { ColumnType } from '@tidemark/model/column-type';
import { cellToJson, valueFromJson } from '@tidemark/model/text/cell-value';
import { formatDate, formatTimestamp } from '@tidemark/model/text/time';
import { textOfUtf8 } from '@tidemark/model/text/utf8';

/** A timestamp as it stands in a file, in µs: a class of its own, so that it is not taken for a number. */
class Micros {
  readonly micros: number;
  constructor(micros: number) {
    this.micros = micros;
  }
}

/** Bytes that the file calls text and that are none: refused once it is known in which row they stand. */
class NotText {
  readonly bytes: Uint8Array;
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

const lastMicros = { raw: 0n, made: new Micros(0) };

/** Neighbouring rows often share a moment. */
function microsOfBigint(raw: bigint): Micros {
  if (lastMicros.raw !== raw) {
    lastMicros.raw = raw;
    lastMicros.made = new Micros(Number(raw));
  }
  return lastMicros.made;
}

function text(bytes: Uint8Array | undefined): string | NotText | undefined {
  if (bytes === undefined) return undefined;
  return isUtf8(bytes) ? bufferOf(bytes).toString('utf8') : new NotText(bytes);
}

/** How the reader of Parquet makes cells of what is in the file. */
export const parsers = {
  timestampFromMilliseconds: (ms: bigint) => microsOfBigint(ms * 1000n),
  timestampFromMicroseconds: microsOfBigint,
  // Cells have µs; what is finer is cut off towards the past.
  timestampFromNanoseconds: (ns: bigint) => microsOfBigint((ns - (((ns % 1000n) + 1000n) % 1000n)) / 1000n),
  dateFromDays: (days: number) => formatDate(days),
  stringFromBytes: text,
  jsonFromBytes: text,
};

/** µs of a moment read from the file. */
export function microsOf(cell: unknown): number {
  return (cell as Micros).micros;
}

/** A column of a file on its way to a column of the table. */
export type CellPlace = {
  readonly file: string;
  readonly name: string;
  readonly type: ColumnType;
  /** Digits behind the point of a decimal, whose cells are whole numbers then; null for every other type. */
  readonly scale: number | null;
};

/**
 * @param row counted from 1 in the file
 * @throws {Fault} `invalid`: text that is not UTF-8; names file, row, column and byte
 */
export function cellJson({ file, name, type, scale }: CellPlace, cell: unknown, row: number): string {
  if (cell instanceof Micros) return `"${formatTimestamp(cell.micros)}"`;
  if (scale !== null) {
    const digits = `${unscaledOf(cell)}e${-scale}`;
    return type.name === 'decimal' ? decimalJson(type, digits) : plainNumber(digits);
  }
  const what = `${file}: row ${row}, column "${name}"`;
  if (cell instanceof NotText) return textOfUtf8(cell.bytes, what);
  // Some programs do not say of text that it is some.
  if (cell instanceof Uint8Array && type.name === 'string') return JSON.stringify(textOfUtf8(cell, what));
  if (typeof cell === 'bigint' && type.name === 'decimal') return decimalJson(type, String(cell));
  const json = plainJson(cell);
  const value = type.name === 'string' ? undefined : valueFromJson(type, json);
  return JSON.stringify(value === undefined ? json : cellToJson(type, value));
}

/** What has no room in the column goes on as its digits, for the site to refuse by them. */
function decimalJson(type: ColumnType, digits: string): string {
  const value = valueFromJson(type, digits);
  return JSON.stringify(value === undefined ? digits : cellToJson(type, value));
}

/** As a number of JSON, with a point in place of the power of ten: so a column of whole numbers takes 5.00. */
function plainNumber(digits: string): string {
  return /^-?\d+e-?0$/.test(digits) ? digits.slice(0, digits.indexOf('e')) : digits;
}

/** The whole number of a decimal: as such, or as big-endian bytes of two's complement. */
function unscaledOf(cell: unknown): bigint {
  if (!(cell instanceof Uint8Array)) return BigInt(cell as number | bigint);
  const hex = bufferOf(cell).toString('hex');
  return hex === '' ? 0n : BigInt.asIntN(cell.length * 8, BigInt(`0x${hex}`));
}

function plainJson(cell: unknown): unknown {
  if (typeof cell === 'bigint') return Number.isSafeInteger(Number(cell)) ? Number(cell) : String(cell);
  if (cell instanceof Uint8Array) return { $bytes: bufferOf(cell).toString('base64') };
  return typeof cell === 'number' && !Number.isFinite(cell) ? String(cell) : cell;
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
