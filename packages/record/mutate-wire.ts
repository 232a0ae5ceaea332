/**
 * MUTATE records between bytes and fields, as any Avro library would do it by `ENVELOPE_SCHEMA`, but without copying
 * what they carry: nearly all bytes of a log are theirs. The other kinds are left to the library.
 */

import assert from 'node:assert/strict';
import { AvroCursor } from './avro-cursor.ts';
import type { IngestSource, MutateBody, RequestBody, Unsealed } from './envelope.ts';

type MutateRecord = Unsealed & { readonly body: MutateBody };

/** Where Mutate stands in the union of bodies, as the schema lists them. */
const MUTATE = 3;

/**
 * The record's fields in Avro, behind `headBytes` bytes and before `tailBytes` that the caller fills in.
 */
export function encodeMutateRecord(record: MutateRecord, headBytes: number, tailBytes: number): Buffer {
  const { body } = record;
  const { verb = '', hash = EMPTY } = body.request ?? {};
  const texts = [record.cluster, record.keyspace, record.origin, body.requestId, verb, body.source?.topic ?? ''];
  let room = headBytes + tailBytes + FIXED_BYTES_MAX;
  for (const text of texts) room += text.length * 3;
  for (const bytes of [body.keys, body.flags, body.stampOffsets, hash]) room += bytes.length;
  for (const { cells } of body.columns) room += cells.length + 2 * LONG_BYTES_MAX;
  const out = new AvroWriter(Buffer.allocUnsafe(room), headBytes);
  for (const text of [record.cluster, record.keyspace, record.origin]) out.text(text);
  out.long(record.epoch).long(record.partition).long(record.seq).long(record.stampMs).long(record.stampCounter);
  out.long(record.writer).long(record.committed).long(MUTATE);
  out.long(body.table).long(body.schemaVersion).text(body.requestId);
  writeRequest(out, body.request);
  writeSource(out, body.source);
  out.long(body.rowCount).bytes(body.keys).bytes(body.flags).bytes(body.stampOffsets);
  if (body.columns.length > 0) out.long(body.columns.length);
  for (const { column, cells } of body.columns) out.long(column).bytes(cells);
  out.long(0);
  return out.buffer.subarray(0, out.at + tailBytes);
}

function writeRequest(out: AvroWriter, request: RequestBody | null): void {
  if (request === null) out.long(0);
  else out.long(1).text(request.verb).long(request.batchRows).long(request.rows).bytes(request.hash);
}

function writeSource(out: AvroWriter, source: IngestSource | null): void {
  if (source === null) out.long(0);
  else out.long(1).text(source.topic).long(source.partition).long(source.first).long(source.last);
}

/**
 * The fields between `from` and `end`; null when the record is of another kind. Its bytes are views of `bytes`.
 * @throws {Error} they do not end at `end`, or are no such record.
 */
export function decodeMutateRecord(bytes: Buffer, from: number, end: number): MutateRecord | null {
  const input = new AvroCursor(bytes, from, end);
  const cluster = input.readString();
  const keyspace = input.readString();
  const origin = input.readString();
  const epoch = input.readNumber();
  const partition = input.readNumber();
  const seq = input.readNumber();
  const stampMs = input.readNumber();
  const stampCounter = input.readNumber();
  const writer = input.readNumber();
  const committed = input.readNumber();
  if (input.readNumber() !== MUTATE) return null;
  const body = readMutate(input);
  if (input.at !== end) throw new Error(`a MUTATE ends at byte ${input.at}, expected ${end}`);
  return { cluster, keyspace, origin, epoch, partition, seq, stampMs, stampCounter, writer, committed, body };
}

function readMutate(input: AvroCursor): MutateBody {
  const table = input.readNumber();
  const schemaVersion = input.readNumber();
  const requestId = input.readString();
  const request = isThere(input, 'request')
    ? { verb: input.readString(), batchRows: input.readNumber(), rows: input.readNumber(), hash: input.readBytes() }
    : null;
  const source = isThere(input, 'source') ? readSource(input) : null;
  const rowCount = input.readNumber();
  const keys = input.readBytes();
  const flags = input.readBytes();
  const stampOffsets = input.readBytes();
  const columns: { column: number; cells: Uint8Array }[] = [];
  for (let count = input.readBlock(); count > 0; count = input.readBlock())
    for (let i = count; i > 0; i--) columns.push({ column: input.readNumber(), cells: input.readBytes() });
  return {
    ...{ kind: 'Mutate', table, schemaVersion, requestId, request, source },
    ...{ rowCount, keys, flags, stampOffsets, columns },
  };
}

function readSource(input: AvroCursor): IngestSource {
  return {
    topic: input.readString(),
    partition: input.readNumber(),
    first: input.readNumber(),
    last: input.readNumber(),
  };
}

/** The field is null otherwise. */
function isThere(input: AvroCursor, field: string): boolean {
  return input.readIndex(2, `${field} is branch`) === 1;
}

const EMPTY = new Uint8Array(0);
const LONG_MIN = -(2 ** 52);
const LONG_BYTES_MAX = 10;
/** Numbers and lengths of a record: 30 of them with a request and a source. */
const FIXED_BYTES_MAX = 30 * LONG_BYTES_MAX;

class AvroWriter {
  readonly buffer: Buffer;
  at: number;

  constructor(buffer: Buffer, at: number) {
    this.buffer = buffer;
    this.at = at;
  }

  /** A whole number from −2^52 to 2^53: zigzag, seven bits a byte, the lowest first. */
  long(value: number): this {
    // Doubles hold an even number of 54 bits exactly, but an odd one only of 53.
    const isExact = Number.isSafeInteger(value) && value >= LONG_MIN;
    assert(isExact, `${value} in a record, expected a whole number from ${LONG_MIN} to 2^53`);
    let rest = value >= 0 ? value * 2 : -value * 2 - 1;
    while (rest >= 128) {
      this.buffer[this.at++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    this.buffer[this.at++] = rest;
    return this;
  }

  text(text: string): this {
    this.long(Buffer.byteLength(text));
    this.at += this.buffer.write(text, this.at);
    return this;
  }

  bytes(bytes: Uint8Array): this {
    this.long(bytes.length);
    this.buffer.set(bytes, this.at);
    this.at += bytes.length;
    return this;
  }
}
