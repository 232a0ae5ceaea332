/** A section of a column file's block as a chunk: `block-encoding.ts` says what the bytes are. */

import { ENCODING } from '@tidemark/columnar/column-encoding';
import { CELL } from '@tidemark/columnar/column-vector';
import type { Physical } from '@tidemark/model/column-type';
import { Fault } from '@tidemark/platform/fault';
import { compareRanges, prefixOf } from '../row/bytes.ts';
import { BLOCK_ENCODING, DIGITS_MAX } from './block-encoding.ts';
import type { BytesChunk, Chunk, NumberChunk, Numbers } from './chunk.ts';

/** Values 0 … count − 1, one after the other. */
type Dense =
  | { readonly form: 'numbers'; readonly data: Numbers; readonly base: number; readonly unit: number }
  | { readonly form: 'longs'; readonly data: BigInt64Array }
  | Pick<BytesChunk, 'form' | 'codes' | 'starts' | 'lengths' | 'arena' | 'entryCount' | 'runEnds' | 'runPrefixes'>;

/** @throws {Fault} `corrupt`: lengths do not add up, or the encoding is not one of the kind. */
export function decodeBlock(section: Uint8Array, rowCount: number, kind: Physical): Chunk {
  const bytes = Buffer.from(section.buffer, section.byteOffset, section.byteLength);
  const { presence, rows, end } = decodePresence(bytes, rowCount);
  const dense = decodeValues(new Reader(bytes, end), rows?.length ?? rowCount, kind);
  return chunkOf(rows === null ? dense : spreadOver(dense, rows, rowCount), kind, rowCount, presence);
}

/** Each form is made in one place, so that all of it have one shape: what reads them then is as fast as it can be. */
function chunkOf(dense: Dense, kind: Physical, rowCount: number, presence: Uint8Array | null): Chunk {
  if (dense.form === 'bytes') {
    return {
      form: 'bytes',
      kind: 'bytes',
      rowCount,
      presence,
      codes: dense.codes,
      starts: dense.starts,
      lengths: dense.lengths,
      arena: dense.arena,
      entryCount: dense.entryCount,
      runEnds: dense.runEnds,
      runPrefixes: dense.runPrefixes,
    };
  }
  if (dense.form === 'longs') return { form: 'longs', kind: 'i64', rowCount, presence, data: dense.data };
  const { data, base, unit } = dense;
  // The kind goes with the form, which the type checker cannot see.
  return { form: 'numbers', kind: kind as NumberChunk['kind'], rowCount, presence, data, base, unit };
}

/** Takes bytes from the front. */
class Reader {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  take(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) {
      const [got, expected] = [this.#bytes.length, end];
      throw new Fault('corrupt', `column bytes end at ${got}, expected ${expected}`, { got, expected });
    }
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  u8(): number {
    return this.take(1)[0]!;
  }

  u32(): number {
    return this.take(4).readUInt32LE();
  }

  i64(): bigint {
    return this.take(8).readBigInt64LE();
  }

  u32s(count: number): Uint32Array {
    return new Uint32Array(aligned(this.take(count * 4)));
  }

  i64s(count: number): BigInt64Array {
    return new BigInt64Array(aligned(this.take(count * 8)));
  }

  /** Unsigned numbers of 0, 1, 2 or 4 bytes. */
  unsigned(count: number, width: number): Numbers | Uint32Array {
    if (width === 0) return zeros(count);
    if (width === 1) return new Uint8Array(aligned(this.take(count)));
    if (width === 2) return new Uint16Array(aligned(this.take(count * 2)));
    if (width === 4) return this.u32s(count);
    throw new Fault('corrupt', `numbers of ${width} bytes, expected 0, 1, 2 or 4`, { got: width });
  }
}

function aligned(bytes: Buffer): ArrayBuffer {
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
}

let someZeros = new Uint8Array(65_536);

/** Never written to, so that constants cost no memory. */
function zeros(count: number): Uint8Array {
  if (count > someZeros.length) someZeros = new Uint8Array(count);
  return someZeros.subarray(0, count);
}

function decodePresence(
  bytes: Buffer,
  rowCount: number,
): { readonly presence: Uint8Array | null; readonly rows: Uint32Array | null; readonly end: number } {
  const reader = new Reader(bytes, 0);
  const form = reader.u8();
  if (form === 0) return { presence: null, rows: null, end: 1 };
  if (form !== 1) throw new Fault('corrupt', `column presence is ${form}, expected 0 or 1`, { got: form });
  const packed = reader.take(Math.ceil(rowCount / 4));
  const presence = new Uint8Array(rowCount);
  const rows = new Uint32Array(rowCount);
  let count = 0;
  for (let i = 0; i < rowCount; i++) {
    const state = (packed[i >> 2]! >> ((i & 3) * 2)) & 3;
    if (state > CELL.deleted) throw new Fault('corrupt', `cell state ${state}, expected 0, 1 or 2`, { got: state });
    presence[i] = state;
    if (state === CELL.value) rows[count++] = i;
  }
  return { presence, rows: rows.subarray(0, count), end: 1 + packed.length };
}

function decodeValues(reader: Reader, count: number, kind: Physical): Dense {
  const encoding = reader.u8();
  if (encoding === BLOCK_ENCODING.runs) return decodeRuns(reader, count, kind);
  if (kind === 'bytes') return decodeBytes(reader, count, encoding);
  if (kind === 'u8') return decodeSmall(reader, count, encoding);
  if (kind === 'f64') return decodeDoubles(reader, count, encoding);
  return decodeIntegers(reader, count, encoding, kind);
}

function decodeSmall(reader: Reader, count: number, encoding: number): Dense {
  if (encoding === ENCODING.u8)
    return { form: 'numbers', data: new Uint8Array(aligned(reader.take(count))), base: 0, unit: 0 };
  if (encoding !== BLOCK_ENCODING.bits) throw unexpected('u8', encoding);
  const packed = reader.take(Math.ceil(count / 8));
  const data = new Uint8Array(count);
  for (let i = 0; i < count; i++) data[i] = (packed[i >> 3]! >> (i & 7)) & 1;
  return { form: 'numbers', data, base: 0, unit: 0 };
}

function decodeDoubles(reader: Reader, count: number, encoding: number): Dense {
  if (encoding === ENCODING.f64) {
    return { form: 'numbers', data: new Float64Array(aligned(reader.take(count * 8))), base: 0, unit: 0 };
  }
  if (encoding !== BLOCK_ENCODING.decimals) throw unexpected('f64', encoding);
  const digits = reader.u8();
  if (digits > DIGITS_MAX)
    throw new Fault('corrupt', `${digits} digits, expected at most ${DIGITS_MAX}`, { got: digits });
  const wholes = decodeValues(reader, count, 'whole');
  const data = new Float64Array(count);
  const power = 10 ** digits;
  if (wholes.form !== 'numbers') throw unexpected('f64', encoding);
  for (let i = 0; i < count; i++) {
    data[i] = (wholes.unit === 0 ? wholes.data[i]! : wholes.base + wholes.unit * wholes.data[i]!) / power;
  }
  return { form: 'numbers', data, base: 0, unit: 0 };
}

type IntegerKind = 'i32' | 'whole' | 'i64';

function decodeIntegers(reader: Reader, count: number, encoding: number, kind: IntegerKind): Dense {
  switch (encoding) {
    case ENCODING.i32: {
      // What was written while a long was still an int.
      if (kind === 'whole') break;
      return { form: 'numbers', data: new Int32Array(aligned(reader.take(count * 4))), base: 0, unit: 0 };
    }
    case ENCODING.i64:
      if (kind === 'i32') break;
      return fromLongs(reader.i64s(count), kind);
    case ENCODING.frame: {
      const base = reader.i64();
      return fromFrame(base, 1n, reader.unsigned(count, reader.u8()), kind);
    }
    case BLOCK_ENCODING.steps: {
      const base = reader.i64();
      const unit = reader.i64();
      return fromFrame(base, unit, reader.unsigned(count, reader.u8()), kind);
    }
    case BLOCK_ENCODING.rising:
      return decodeRising(reader, count, kind);
  }
  throw unexpected(kind, encoding);
}

function fromLongs(longs: BigInt64Array, kind: IntegerKind): Dense {
  if (kind === 'i64') return { form: 'longs', data: longs };
  const data = new Float64Array(longs.length);
  for (let i = 0; i < longs.length; i++) data[i] = Number(longs[i]);
  return { form: 'numbers', data, base: 0, unit: 0 };
}

const EXACT = BigInt(Number.MAX_SAFE_INTEGER);

function fromFrame(base: bigint, unit: bigint, offsets: Numbers | Uint32Array, kind: IntegerKind): Dense {
  let max = 0;
  for (let i = 0; i < offsets.length; i++) if (offsets[i]! > max) max = offsets[i]!;
  const end = base + unit * BigInt(max);
  if (unit < 1n) throw new Fault('corrupt', `a unit of ${unit}, expected at least 1`, { got: String(unit) });
  check(base, kind);
  check(end, kind);
  // Numbers of 32 bits that none needs whole fit the narrower array.
  const data =
    offsets instanceof Uint32Array
      ? max <= 0x7fff_ffff
        ? new Int32Array(offsets.buffer)
        : Float64Array.from(offsets)
      : offsets;
  if (base >= -EXACT && end <= EXACT) return { form: 'numbers', data, base: Number(base), unit: Number(unit) };
  const longs = new BigInt64Array(data.length);
  for (let i = 0; i < data.length; i++) longs[i] = base + unit * BigInt(data[i]!);
  return { form: 'longs', data: longs };
}

/** No value lies beyond what its kind holds. */
function check(value: bigint, kind: IntegerKind): void {
  const isWithin =
    kind === 'i64'
      ? value <= (1n << 63n) - 1n
      : kind === 'i32'
        ? value >= -2_147_483_648n && value <= 2_147_483_647n
        : value >= -(1n << 53n) && value <= 1n << 53n;
  if (!isWithin) throw new Fault('corrupt', `${value} in a column of kind ${kind}`, { got: String(value) });
}

function decodeRising(reader: Reader, count: number, kind: IntegerKind): Dense {
  const unit = reader.i64();
  const width = reader.u8();
  const starts = reader.u32();
  const places = reader.u32s(starts);
  const values = reader.i64s(starts);
  const steps = reader.unsigned(count, width);
  if (unit < 1n || (count > 0 && places[0] !== 0)) {
    throw new Fault('corrupt', `rising numbers in units of ${unit} that start at ${places[0]}, expected 0`);
  }
  const low = values.reduce((least, value) => (value < least ? value : least), values[0] ?? 0n);
  const offsets = new Float64Array(count);
  let start = 0;
  let at = 0;
  let max = 0;
  for (let i = 0; i < count; i++) {
    if (start < starts && places[start] === i) at = Number((values[start++]! - low) / unit);
    else at += steps[i]!;
    offsets[i] = at;
    if (at > max) max = at;
  }
  if (start !== starts || max > Number.MAX_SAFE_INTEGER) {
    throw new Fault('corrupt', `rising numbers of ${starts} starts, found ${start}`, { got: start, expected: starts });
  }
  return fromFrame(low, unit, max <= 0x7fff_ffff ? Int32Array.from(offsets) : offsets, kind);
}

function decodeRuns(reader: Reader, count: number, kind: Physical): Dense {
  const runs = reader.u32();
  const lengths = reader.u32s(runs);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  if (total !== count)
    throw new Fault('corrupt', `runs of ${total} values, expected ${count}`, { got: total, expected: count });
  const encoding = reader.u8();
  if (encoding === BLOCK_ENCODING.runs) throw unexpected(kind, encoding);
  const heads = decodeHeads(reader, runs, kind, encoding);
  if (heads.form === 'bytes') {
    return { ...heads, codes: repeatedCodes(heads, lengths, count), ...runsOf(heads, lengths) };
  }
  if (heads.form === 'longs') return { ...heads, data: repeated(heads.data, new BigInt64Array(count), lengths) };
  const data = heads.data.constructor as new (length: number) => Numbers;
  return { ...heads, data: repeated(heads.data, new data(count), lengths) };
}

function decodeHeads(reader: Reader, count: number, kind: Physical, encoding: number): Dense {
  if (kind === 'bytes') return decodeBytes(reader, count, encoding);
  if (kind === 'u8') return decodeSmall(reader, count, encoding);
  if (kind === 'f64') return decodeDoubles(reader, count, encoding);
  return decodeIntegers(reader, count, encoding, kind);
}

function repeated<T extends Numbers | BigInt64Array>(heads: T, into: T, lengths: Uint32Array): T {
  let at = 0;
  for (let run = 0; run < lengths.length; run++) {
    into.fill(heads[run] as never, at, at + lengths[run]!);
    at += lengths[run]!;
  }
  return into;
}

/** None where a run is empty, or like the one before: no writer of ours makes such. */
function runsOf(
  heads: Pick<BytesChunk, 'codes' | 'starts' | 'lengths' | 'arena'>,
  runs: Uint32Array,
): Pick<BytesChunk, 'runEnds' | 'runPrefixes'> {
  const { codes, starts, lengths, arena } = heads;
  const runEnds = new Uint32Array(runs.length);
  const runPrefixes = new Float64Array(runs.length);
  let end = 0;
  let before = -1;
  for (let run = 0; run < runs.length; run++) {
    const entry = codes === null ? run : codes[run]!;
    const isLike =
      before !== -1 &&
      compareRanges(arena, starts[before]!, lengths[before]!, arena, starts[entry]!, lengths[entry]!) === 0;
    if (runs[run] === 0 || isLike) return { runEnds: null, runPrefixes: null };
    end += runs[run]!;
    runEnds[run] = end;
    runPrefixes[run] = prefixOf(arena, starts[entry]!, lengths[entry]!);
    before = entry;
  }
  return { runEnds, runPrefixes };
}

function repeatedCodes(
  { codes, entryCount }: Pick<BytesChunk, 'codes' | 'entryCount'>,
  lengths: Uint32Array,
  count: number,
): Uint8Array | Uint16Array {
  if (entryCount === 1) return zeros(count);
  const all = entryCount <= 256 ? new Uint8Array(count) : new Uint16Array(count);
  let at = 0;
  for (let run = 0; run < lengths.length; run++) {
    all.fill(codes === null ? run : codes[run]!, at, at + lengths[run]!);
    at += lengths[run]!;
  }
  return all;
}

function decodeBytes(reader: Reader, count: number, encoding: number): Dense {
  if (encoding !== ENCODING.bytes && encoding !== ENCODING.dictionary) throw unexpected('bytes', encoding);
  const isDictionary = encoding === ENCODING.dictionary;
  const entryCount = isDictionary ? reader.u32() : count;
  const lengths = reader.u32s(entryCount);
  const starts = new Uint32Array(entryCount);
  let total = 0;
  for (let entry = 0; entry < entryCount; entry++) {
    starts[entry] = total;
    total += lengths[entry]!;
  }
  const arena = Buffer.from(aligned(reader.take(total)));
  const codes = isDictionary ? (reader.unsigned(count, entryCount <= 256 ? 1 : 2) as Uint8Array | Uint16Array) : null;
  if (codes !== null) {
    for (let i = 0; i < count; i++) {
      if (codes[i]! >= entryCount)
        throw new Fault('corrupt', `dictionary code ${codes[i]} of ${entryCount}`, { got: codes[i]! });
    }
  }
  return { form: 'bytes', codes, starts, lengths, arena, entryCount, runEnds: null, runPrefixes: null };
}

/** Puts dense values at their rows; what other rows hold means nothing. */
function spreadOver(dense: Dense, rows: Uint32Array, rowCount: number): Dense {
  if (dense.form === 'bytes') {
    const wide = dense.entryCount > 256;
    if (dense.codes === null && dense.entryCount > 65_536) return spreadEntries(dense, rows, rowCount);
    const codes = wide ? new Uint16Array(rowCount) : new Uint8Array(rowCount);
    for (let i = 0; i < rows.length; i++) codes[rows[i]!] = dense.codes === null ? i : dense.codes[i]!;
    return { ...dense, codes, runEnds: null, runPrefixes: null };
  }
  if (dense.form === 'longs') {
    const data = new BigInt64Array(rowCount);
    for (let i = 0; i < rows.length; i++) data[rows[i]!] = dense.data[i]!;
    return { ...dense, data };
  }
  const data = new (dense.data.constructor as new (length: number) => Numbers)(rowCount);
  for (let i = 0; i < rows.length; i++) data[rows[i]!] = dense.data[i]!;
  return { ...dense, data };
}

function spreadEntries(dense: Extract<Dense, { form: 'bytes' }>, rows: Uint32Array, rowCount: number): Dense {
  const starts = new Uint32Array(rowCount);
  const lengths = new Uint32Array(rowCount);
  for (let i = 0; i < rows.length; i++) {
    starts[rows[i]!] = dense.starts[i]!;
    lengths[rows[i]!] = dense.lengths[i]!;
  }
  return { ...dense, starts, lengths, entryCount: rowCount, runEnds: null, runPrefixes: null };
}

function unexpected(kind: Physical, encoding: number): Fault {
  return new Fault('corrupt', `column of kind ${kind} has encoding ${encoding}`, { got: encoding });
}
