/**
 * Rows as an Arrow IPC stream: a schema, a record batch for each block of rows, an end mark. A stream without its end
 * mark was cut short.
 */

import type { ColumnType, Value } from '@tidemark/model/column-type';
import { Fault } from '@tidemark/platform/fault';
import {
  Batch,
  binary,
  bool,
  Column,
  type DataType,
  dateDay,
  decimal128,
  field,
  float64,
  int32,
  int64,
  Table,
  TimeUnit,
  tableToIPC,
  timestamp,
  utf8,
} from '@uwdata/flechette';

/** The media type of an Arrow IPC stream, as registered with IANA. */
export const ARROW_MEDIA_TYPE = 'application/vnd.apache.arrow.stream';

/** A column of a result. */
export type ArrowColumn = { readonly name: string; readonly type: ColumnType };
type Row = Readonly<Record<string, Value | null>>;

/** Behind the last batch. */
export const ARROW_END = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0);
/** A message is this mark, the length of its header, the header, and for a batch its body. */
const MARK_BYTES = 8;

/** µs and UTC for timestamps, days for dates, 128 bits for decimals; every column may have nulls. */
function arrowType(type: ColumnType): DataType {
  switch (type.name) {
    case 'boolean':
      return bool();
    case 'int':
      return int32();
    case 'long':
      return int64();
    case 'double':
      return float64();
    case 'string':
      return utf8();
    case 'bytes':
      return binary();
    case 'timestamp':
      return timestamp(TimeUnit.MICROSECOND, 'UTC');
    case 'date':
      return dateDay();
    case 'decimal':
      return decimal128(type.precision, type.scale);
  }
}

/** The messages of one stream: `head` first, then batches, then `ARROW_END`. */
export class ArrowWriter {
  readonly #columns: readonly { readonly name: string; readonly type: ColumnType; readonly arrow: DataType }[];
  /** The stream's first message. */
  readonly head: Uint8Array;

  constructor(columns: readonly ArrowColumn[]) {
    this.#columns = columns.map(({ name, type }) => ({ name, type, arrow: arrowType(type) }));
    const whole = this.#stream([]);
    this.head = whole.subarray(0, whole.length - ARROW_END.length);
  }

  /** One record batch. */
  batch(rows: readonly Row[]): Uint8Array {
    const whole = this.#stream(rows);
    return whole.subarray(this.head.length, whole.length - ARROW_END.length);
  }

  /** A whole stream of its own. */
  #stream(rows: readonly Row[]): Uint8Array {
    const fields = this.#columns.map(({ name, arrow }) => field(name, arrow));
    const columns = this.#columns.map(({ name, type, arrow }) => {
      const data = rows.length === 0 ? [] : [batchOf(type, arrow, rows, name)];
      return new Column(data, arrow);
    });
    const schema = { version: 4 as const, endianness: 0 as const, fields, metadata: null };
    return tableToIPC(new Table(schema, columns), { format: 'stream' })!;
  }
}

function batchOf(type: ColumnType, arrow: DataType, rows: readonly Row[], name: string): Batch<unknown> {
  const validity = new Uint8Array(Math.ceil(rows.length / 8));
  let nullCount = 0;
  rows.forEach((row, i) => {
    if (row[name] === null || row[name] === undefined) nullCount++;
    else validity[i >> 3]! |= 1 << (i & 7);
  });
  const cells = rows.map((row) => row[name] ?? null);
  const bits = nullCount === 0 ? new Uint8Array(0) : validity;
  return new Batch({ length: rows.length, nullCount, type: arrow, validity: bits, ...buffersOf(type, cells) });
}

type Buffers = {
  readonly values: Uint8Array | Int32Array | Float64Array | BigInt64Array;
  readonly offsets?: Int32Array;
};

/** @throws {Fault} `invalid`: an exact sum that 64 bits do not hold. */
function within64(value: bigint): bigint {
  if (BigInt.asIntN(64, value) === value) return value;
  throw new Fault('invalid', `a sum of ${value} is beyond 64 bits, which is what Arrow has room for; JSON gives it`, {
    got: String(value),
  });
}

function buffersOf(type: ColumnType, cells: readonly (Value | null)[]): Buffers {
  switch (type.name) {
    case 'boolean': {
      const values = new Uint8Array(Math.ceil(cells.length / 8));
      cells.forEach((cell, i) => {
        if (cell === true) values[i >> 3]! |= 1 << (i & 7);
      });
      return { values };
    }
    case 'int':
    case 'date':
      return { values: Int32Array.from(cells, (cell) => (cell ?? 0) as number) };
    case 'double':
      return { values: Float64Array.from(cells, (cell) => (cell ?? 0) as number) };
    case 'long':
    case 'timestamp':
      return { values: BigInt64Array.from(cells, (cell) => within64(BigInt((cell ?? 0) as number | bigint))) };
    case 'decimal': {
      // The lower and the upper half of 128 bits; ours fit the lower one, so the upper one is the sign.
      const values = new BigInt64Array(cells.length * 2);
      cells.forEach((cell, i) => {
        values[i * 2] = within64((cell ?? 0n) as bigint);
        values[i * 2 + 1] = values[i * 2]! < 0n ? -1n : 0n;
      });
      return { values };
    }
    case 'string':
    case 'bytes':
      return texts(cells);
  }
}

function texts(cells: readonly (Value | null)[]): Buffers {
  const parts = cells.map((cell) =>
    typeof cell === 'string' ? Buffer.from(cell, 'utf8') : (cell as Uint8Array | null),
  );
  const offsets = new Int32Array(cells.length + 1);
  parts.forEach((part, i) => {
    offsets[i + 1] = offsets[i]! + (part?.length ?? 0);
  });
  return { values: Buffer.concat(parts.map((part) => part ?? new Uint8Array(0))), offsets };
}

/** Bytes of the message that begins at `at`, as far as they are told; null when the bytes end before that is known. */
export function arrowMessageBytes(bytes: Uint8Array, at: number): number | null {
  if (at + MARK_BYTES > bytes.length) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, bytes.length - at);
  const headerBytes = view.getInt32(4, true);
  if (headerBytes === 0) return MARK_BYTES;
  if (view.byteLength < MARK_BYTES + headerBytes) return null;
  return MARK_BYTES + headerBytes + bodyBytes(view, MARK_BYTES);
}

/** The field `bodyLength`, number 3 of the flatbuffer table Message that begins at `start`. */
function bodyBytes(view: DataView, start: number): number {
  const table = start + view.getUint32(start, true);
  const fields = table - view.getInt32(table, true);
  const place = view.getUint16(fields, true) > 10 ? view.getUint16(fields + 10, true) : 0;
  return place === 0 ? 0 : Number(view.getBigInt64(table + place, true));
}
