/**
 * MUTATE records between bytes and fields, as any Avro library would do it by `ENVELOPE_SCHEMA`, but without copying
 * what they carry: nearly all bytes of a log are theirs. The other kinds are left to the library.
 */

import assert from 'node:assert/strict';
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
  const input = new AvroReader(bytes, from, end);
  const cluster = input.text();
  const keyspace = input.text();
  const origin = input.text();
  const epoch = input.long();
  const partition = input.long();
  const seq = input.long();
  const stampMs = input.long();
  const stampCounter = input.long();
  const writer = input.long();
  const committed = input.long();
  if (input.long() !== MUTATE) return null;
  const body = readMutate(input);
  if (input.at !== end) throw new Error(`a MUTATE ends at byte ${input.at}, expected ${end}`);
  return { cluster, keyspace, origin, epoch, partition, seq, stampMs, stampCounter, writer, committed, body };
}

function readMutate(input: AvroReader): MutateBody {
  const table = input.long();
  const schemaVersion = input.long();
  const requestId = input.text();
  const request = readUnion(input, 'request')
    ? { verb: input.text(), batchRows: input.long(), rows: input.long(), hash: input.bytes() }
    : null;
  const source = readUnion(input, 'source') ? readSource(input) : null;
  const rowCount = input.long();
  const keys = input.bytes();
  const flags = input.bytes();
  const stampOffsets = input.bytes();
  const columns: { column: number; cells: Uint8Array }[] = [];
  for (let count = input.long(); count !== 0; count = input.long()) {
    // A negative count is followed by how many bytes the block has, which nobody here needs.
    if (count < 0) input.long();
    for (let i = Math.abs(count); i > 0; i--) columns.push({ column: input.long(), cells: input.bytes() });
  }
  return {
    ...{ kind: 'Mutate', table, schemaVersion, requestId, request, source },
    ...{ rowCount, keys, flags, stampOffsets, columns },
  };
}

function readSource(input: AvroReader): IngestSource {
  return { topic: input.text(), partition: input.long(), first: input.long(), last: input.long() };
}

/** Whether there is one: the field is null otherwise. */
function readUnion(input: AvroReader, field: string): boolean {
  const branch = input.long();
  if (branch !== 0 && branch !== 1) throw new Error(`${field} is branch ${branch}, expected 0 or 1`);
  return branch === 1;
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

class AvroReader {
  at: number;
  readonly #bytes: Buffer;
  readonly #end: number;

  constructor(bytes: Buffer, at: number, end: number) {
    this.#bytes = bytes;
    this.at = at;
    this.#end = end;
  }

  long(): number {
    let low = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#byte();
      low |= (byte & 127) << shift;
      if (byte < 128) return (low >>> 1) ^ -(low & 1);
    }
    let value = BigInt(low);
    for (let shift = 28n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 127) << shift;
      if (byte >= 128) continue;
      const long = Number((value >> 1n) ^ -(value & 1n));
      if (!Number.isSafeInteger(long)) break;
      return long;
    }
    throw new Error(`a long before byte ${this.at} is beyond ±2^53`);
  }

  #byte(): number {
    if (this.at >= this.#end) throw new Error(`a number ends beyond byte ${this.#end}`);
    return this.#bytes[this.at++]!;
  }

  /** A view. */
  bytes(): Buffer {
    const length = this.long();
    const from = this.at;
    if (length < 0 || length > this.#end - from) throw new Error(`${length} bytes from ${from}, end ${this.#end}`);
    this.at += length;
    return this.#bytes.subarray(from, this.at);
  }

  text(): string {
    const length = this.long();
    const from = this.at;
    if (length < 0 || length > this.#end - from) throw new Error(`${length} bytes from ${from}, end ${this.#end}`);
    this.at += length;
    return this.#bytes.toString('utf8', from, this.at);
  }
}
