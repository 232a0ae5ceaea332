/**
 * Kafka's record batches (magic 2), to bytes and back. Writing copies each value once; reading copies none: values are
 * views into the answer. A batch, all numbers big-endian:
 *
 *   0 base offset i64 · 8 length i32 · 12 leader epoch i32 · 16 magic i8 · 17 CRC-32C u32 of all from 21 on
 *   21 attributes i16 (bits 0–2 codec, 3 log append time, 4 transactional, 5 control) · 23 last offset delta i32
 *   27 first time i64 · 35 max time i64 · 43 producer id i64 · 51 producer epoch i16 · 53 sequence i32 · 57 count i32
 *   61 records: varint length, attributes i8, time delta, offset delta, key, value, headers (all varints, zigzag)
 */

import { isUtf8 } from 'node:buffer';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { messageOf } from '@tidemark/platform/fault';
import type { Headers, HeaderValue, LogEntry, LogRecord } from '../log.ts';
import { crc32c } from './crc32c.ts';
import type { AbortedFrom } from './wire.ts';

const HEADER_BYTES = 61;
const CRC_AT = 17;
const CRC_FROM = 21;
const MAGIC = 2;
const LOG_APPEND_TIME = 8;
const TRANSACTIONAL = 16;
const CONTROL = 32;
const CODEC_MASK = 7;

/** A small compressed batch must not fill the memory. */
const INFLATED_BYTES_MAX = 256 * 1024 * 1024;

const CODECS: Readonly<Record<number, (bytes: Uint8Array) => Buffer>> = {
  1: (bytes) => gunzipSync(bytes, { maxOutputLength: INFLATED_BYTES_MAX }),
  4: (bytes) => zstdDecompressSync(bytes, { maxOutputLength: INFLATED_BYTES_MAX }),
};
const CODEC_NAMES = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];

const NO_HEADERS: Headers = Object.freeze({});

/** A damaged batch stands for as many records as it says, unless that is more than anyone would write at once. */
const DAMAGED_RECORDS_MAX = 100_000;

/** The entries as one uncompressed batch. Offsets are given by the broker; so is the time, by the topic's setting. */
export function encodeRecords(entries: readonly LogEntry[], nowMs: number): Buffer {
  const headers = entries.map((entry) => encodeHeaders(entry.headers));
  // Fields of a record before its value: five bytes at most for each of four varints, and two single bytes.
  const bytesMax = entries.reduce(
    (sum, { value, key }, i) => sum + value.length + (key?.length ?? 0) + headers[i]!.length + 32,
    HEADER_BYTES,
  );
  const out = Buffer.allocUnsafe(bytesMax);
  let at = HEADER_BYTES;
  entries.forEach(({ value, key = null }, index) => {
    const tail = headers[index]!;
    const keyBytes = key === null ? 1 : varintBytes(key.length) + key.length;
    const bodyBytes = 2 + varintBytes(index) + keyBytes + varintBytes(value.length) + value.length + tail.length;
    at = putVarint(out, at, bodyBytes);
    out[at++] = 0; // attributes
    out[at++] = 0; // time delta
    at = putVarint(out, at, index);
    if (key === null)
      out[at++] = 1; // length -1
    else {
      at = putVarint(out, at, key.length);
      out.set(key, at);
      at += key.length;
    }
    at = putVarint(out, at, value.length);
    out.set(value, at);
    at += value.length;
    out.set(tail, at);
    at += tail.length;
  });
  out.fill(0, 0, HEADER_BYTES);
  out.writeInt32BE(at - 12, 8);
  out.writeInt32BE(-1, 12);
  out[16] = MAGIC;
  out.writeInt32BE(entries.length - 1, 23);
  out.writeBigInt64BE(BigInt(nowMs), 27);
  out.writeBigInt64BE(BigInt(nowMs), 35);
  out.writeBigInt64BE(-1n, 43);
  out.writeInt16BE(-1, 51);
  out.writeInt32BE(-1, 53);
  out.writeInt32BE(entries.length, 57);
  out.writeUInt32BE(crc32c(out.subarray(CRC_FROM, at)), CRC_AT);
  return out.subarray(0, at);
}

const EMPTY_HEADERS = Buffer.of(0);

function encodeHeaders(headers: LogEntry['headers']): Buffer {
  const named = headers === undefined ? [] : Object.entries(headers);
  if (named.length === 0) return EMPTY_HEADERS;
  const texts = named.flat().map((part) => (typeof part === 'string' ? Buffer.from(part) : part));
  const out = Buffer.allocUnsafe(texts.reduce((sum, text) => sum + text.length + 5, 5));
  let at = putVarint(out, 0, named.length);
  for (const text of texts) {
    at = putVarint(out, at, text.length);
    out.set(text, at);
    at += text.length;
  }
  return out.subarray(0, at);
}

/** Which batch stands at a place: where it begins, and the CRC-32C of what it holds. */
export type BatchName = { readonly base: number; readonly sum: number };

/** The batch that the bytes begin with; null when that is not whole. */
export function firstBatch(bytes: Buffer): BatchName | null {
  if (bytes.length < HEADER_BYTES || bytes.length < 12 + bytes.readInt32BE(8)) return null;
  return { base: Number(bytes.readBigInt64BE(0)), sum: bytes.readUInt32BE(CRC_AT) };
}

/** What one answer held of a partition. */
export type DecodedRecords = {
  readonly records: LogRecord[];
  /** Offset after everything seen, also after batches that hold nothing for a reader; null when nothing was whole. */
  readonly next: number | null;
  /** Leader epoch of the last whole batch, by which the broker can tell that a log was cut; -1 when there was none. */
  readonly leaderEpoch: number;
  /** The last whole batch; null when there was none. */
  readonly last: BatchName | null;
  /** Why reading cannot go on at `next`, as nobody knows there where the next batch begins; null: it can. */
  readonly broken: string | null;
};

type DecodeOptions = {
  /** Offset after what the broker has for this reader: nothing that is damaged reaches further. */
  readonly end?: number;
  /** Whose transactions were aborted, from where on. */
  readonly aborted?: readonly AbortedFrom[];
};

/**
 * Reads the whole batches in `bytes`; one cut short at the end is left for the next answer. Records before `from`
 * (a batch is given whole) are left out, and so are those of aborted transactions. A batch whose checksum is wrong, or
 * that cannot be read though it is right, becomes a damaged record at each of its offsets; and as offsets are dense and no
 * checksum covers where a batch says it stands, so does one that stands elsewhere, and what is missing before it.
 */
export function decodeRecords(bytes: Buffer, from: number, options: DecodeOptions = {}): DecodedRecords {
  const { end: logEnd = Number.MAX_SAFE_INTEGER, aborted = [] } = options;
  const transactions = new Aborted(aborted);
  const records: LogRecord[] = [];
  /** Where the next batch has to stand; the first may begin before `from`. */
  let wanted = from;
  let next: number | null = null;
  let leaderEpoch = -1;
  let last: BatchName | null = null;
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    const end = at + 12 + bytes.readInt32BE(at + 8);
    const magic = bytes[at + 16];
    if (magic !== MAGIC || end < at + HEADER_BYTES)
      return {
        records,
        next,
        leaderEpoch,
        last,
        broken: `offset ${wanted}: no record batch: magic ${magic}, expected ${MAGIC}`,
      };
    if (end > bytes.length) break;
    const batch = bytes.subarray(at, end);
    const before = records.length;
    const following = end + 8 <= bytes.length ? Number(bytes.readBigInt64BE(end)) : null;
    if (next === null && isEarlier(batch, wanted, following)) {
      at = end;
      continue;
    }
    try {
      checkSum(batch, wanted);
      const place = placeOf(batch, { wanted, isFirst: next === null, following, logEnd });
      if (place.missing !== null)
        pushDamaged(NOTHING, { from: wanted, next: place.base, damage: place.missing }, records);
      next = place.base + batch.readInt32BE(23) + 1;
      leaderEpoch = batch.readInt32BE(12);
      last = { base: place.base, sum: batch.readUInt32BE(CRC_AT) };
      if (transactions.counts(batch, next)) readBatch(batch, place.base, from, records);
    } catch (error) {
      records.length = before;
      // What a damaged batch says of its own length is believed no further than the next one lets it be.
      const limit = following ?? logEnd;
      const said: number =
        Math.max(Number(batch.readBigInt64BE(0)), next === null ? 0 : wanted) + batch.readInt32BE(23) + 1;
      next = wanted + 1;
      if (limit > next) next = said < next ? next : Math.min(said, limit);
      pushDamaged(batch, { from: wanted, next, damage: messageOf(error) }, records);
    }
    wanted = next;
    at = end;
  }
  return { records, next, leaderEpoch, last, broken: null };
}

/**
 * An index that leads too far back makes a broker give what stands before the place that was asked for. Of the last batch of
 * an answer that may be wrong, and then the broker has nothing of the place whenever it is asked.
 */
function isEarlier(batch: Buffer, wanted: number, following: number | null): boolean {
  const next = Number(batch.readBigInt64BE(0)) + batch.readInt32BE(23) + 1;
  const isBorneOut = following === null || following === next;
  return next <= wanted && isBorneOut && crc32c(batch.subarray(CRC_FROM)) === batch.readUInt32BE(CRC_AT);
}

type Surroundings = {
  readonly wanted: number;
  readonly isFirst: boolean;
  /** Where the batch behind it says it stands; null: there is none in this answer. */
  readonly following: number | null;
  readonly logEnd: number;
};

/**
 * Where a batch stands whose bytes are right but for its place, and what is missing before it, in words.
 * @throws {Error} it does not stand where it says
 */
function placeOf(
  batch: Buffer,
  { wanted, isFirst, following, logEnd }: Surroundings,
): { readonly base: number; readonly missing: string | null } {
  const base = Number(batch.readBigInt64BE(0));
  const next = base + batch.readInt32BE(23) + 1;
  if (base === wanted) return { base, missing: null };
  // Else only what the batch behind it, or the end of the log, bears out.
  const isBorneOut = following === null ? next <= logEnd : following === next;
  if (isFirst && isBorneOut && base < wanted && next > wanted) return { base, missing: null };
  if (base > wanted && isBorneOut) {
    return { base, missing: `offset ${wanted}: the log has nothing from here to offset ${base}` };
  }
  throw new Error(
    `offset ${wanted}: the log's batch of ${batch.length} bytes is damaged: it says it stands at ${base}`,
  );
}

function checkSum(batch: Buffer, baseOffset: number): void {
  const expected = batch.readUInt32BE(CRC_AT);
  const got = crc32c(batch.subarray(CRC_FROM));
  if (got === expected) return;
  const sums = `CRC-32C ${got.toString(16)}, stored ${expected.toString(16)}`;
  throw new Error(`offset ${baseOffset}: the log's batch of ${batch.length} bytes is damaged: ${sums}`);
}

type Damaged = { readonly from: number; readonly next: number; readonly damage: string };

/** The first one shows the bytes. */
function pushDamaged(batch: Buffer, { from, next, damage }: Damaged, into: LogRecord[]): void {
  const step = next - from > DAMAGED_RECORDS_MAX ? next - 1 - from : 1;
  for (let offset = from; offset < next; offset += step) {
    const value = offset === from ? batch : NOTHING;
    into.push({ offset, timeMs: 0, value, key: null, headers: NO_HEADERS, damage });
  }
}

/** What stands for a place of which there are no bytes. */
export function damagedRecords(place: Damaged): LogRecord[] {
  const records: LogRecord[] = [];
  pushDamaged(NOTHING, place, records);
  return records;
}

/** Which batches belong to transactions that were aborted. */
class Aborted {
  readonly #waiting: AbortedFrom[];
  readonly #producers = new Set<number>();

  constructor(aborted: readonly AbortedFrom[]) {
    this.#waiting = [...aborted].sort((a, b) => a.first - b.first);
  }

  /** Whether the batch, which ends before `next`, holds records for a reader. */
  counts(batch: Buffer, next: number): boolean {
    const attributes = batch.readInt16BE(21);
    const isControl = (attributes & CONTROL) !== 0;
    if (this.#waiting.length === 0 && this.#producers.size === 0) return !isControl;
    const producer = Number(batch.readBigInt64BE(43));
    while (this.#waiting.length > 0 && this.#waiting[0]!.first < next)
      this.#producers.add(this.#waiting.shift()!.producerId);
    if (!isControl) return (attributes & TRANSACTIONAL) === 0 || !this.#producers.has(producer);
    // A producer's end mark: what it sends next is another transaction.
    this.#producers.delete(producer);
    return false;
  }
}

function readBatch(batch: Buffer, baseOffset: number, from: number, into: LogRecord[]): void {
  const attributes = batch.readInt16BE(21);
  const count = batch.readInt32BE(57);
  const appendTimeMs = (attributes & LOG_APPEND_TIME) === 0 ? null : Number(batch.readBigInt64BE(35));
  const firstTimeMs = Number(batch.readBigInt64BE(27));
  const codec = attributes & CODEC_MASK;
  const inflate = CODECS[codec];
  if (codec !== 0 && inflate === undefined)
    throw new Error(`offset ${baseOffset}: compressed as ${CODEC_NAMES[codec] ?? codec}, readable are gzip and zstd`);
  const cursor = new Cursor(
    inflate === undefined ? batch.subarray(HEADER_BYTES) : inflate(batch.subarray(HEADER_BYTES)),
  );
  for (let i = 0; i < count; i++) {
    const end = cursor.varint() + cursor.at;
    if (end > cursor.bytes.length)
      throw new Error(`offset ${baseOffset}: record ${i} of ${count} ends beyond its batch`);
    cursor.at++;
    const timeMs = appendTimeMs ?? firstTimeMs + cursor.varint();
    if (appendTimeMs !== null) cursor.varint();
    const offset = baseOffset + cursor.varint();
    const key = cursor.takeOrNull();
    const value = cursor.take();
    if (offset >= from) into.push({ offset, timeMs, value, key, headers: readHeaders(cursor), damage: null });
    cursor.at = end;
  }
}

function readHeaders(cursor: Cursor): Headers {
  const count = cursor.varint();
  if (count === 0) return NO_HEADERS;
  const headers: Record<string, HeaderValue> = {};
  for (let i = 0; i < count; i++) {
    const name = cursor.take().toString();
    const value = cursor.take();
    headers[name] = isUtf8(value) ? value.toString() : value;
  }
  return headers;
}

const NOTHING = Buffer.alloc(0);

class Cursor {
  readonly bytes: Buffer;
  at = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  /** Zigzag varint of up to 53 bits. */
  varint(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.bytes[this.at++];
      if (byte === undefined || scale > 2 ** 63) throw new Error('a varint ends beyond its batch');
      value += (byte & 127) * scale;
      if (byte < 128) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      scale *= 128;
    }
  }

  /** Bytes behind their length; none for the length -1. */
  take(): Buffer {
    return this.takeOrNull() ?? NOTHING;
  }

  /** Null for the length -1. */
  takeOrNull(): Buffer | null {
    const length = this.varint();
    if (length < 0) return null;
    if (length === 0) return NOTHING;
    if (this.at + length > this.bytes.length) throw new Error('a field ends beyond its batch');
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }
}

/** How many bytes `putVarint` takes for a number that is not negative. */
function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value * 2; rest >= 128; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}

/** Zigzag varint of a number from 0 to 2^30. Returns the place after it. */
function putVarint(out: Uint8Array, at: number, value: number): number {
  let rest = value * 2;
  let place = at;
  while (rest >= 128) {
    out[place++] = (rest & 127) | 128;
    rest >>>= 7;
  }
  out[place++] = rest;
  return place;
}
