/**
 * A block's section cut into units: some rows after the other, each a section of its own that can be read without the
 * others. What is cut was encoded as a whole, so units put together again have one base, one width and one dictionary.
 */

import { ENCODING } from '@tidemark/columnar/column-encoding';
import { CELL } from '@tidemark/columnar/column-vector';
import type { Physical } from '@tidemark/model/column-type';
import { BLOCK_ENCODING, BLOCK_ROWS_MAX } from './block-encoding.ts';

/** A larger dictionary is not shared: whoever wants one row would have to read it whole. */
const DICTIONARY_BYTES_MAX = 128 * 1024;
/** A unit has so many rows at most, and at least, and so many bytes; of texts twice as many. */
const [ROWS_MAX, ROWS_MIN, BYTES_MAX] = [4_096, 256, 16 * 1024];
/** A section of no more bytes than this is not cut. */
const UNCUT_BYTES_MAX = 1024;
/** Only tests write blocks of fewer rows: their units are smaller in the same proportion, so that there are several. */
const BLOCK_ROWS_MIN = 256;
/** Presence has four rows a byte. */
const UNIT_ROWS_MIN = 4;

/** A section in units. */
export type CutSection = {
  /** What codes of the units (encoding 12) are of; null when they have none. */
  readonly dictionary: Uint8Array | null;
  /** Of each unit the pieces that it is put together of. */
  readonly units: readonly (readonly Uint8Array[])[];
  /** Of each unit how many values it has. */
  readonly values: readonly number[];
};

/** Encoding and values `from … to` of those that a block has, in pieces. */
type Take = (from: number, to: number) => readonly Uint8Array[];
type Cutter = { readonly take: Take; readonly dictionary: Uint8Array | null };

/**
 * Rows of a unit for sections of a block, a power of two; the block's rows, and more, when it is not to be cut.
 * @param blockRows rows that the segment's blocks have at most
 */
export function unitRowsFor(bytes: number, rowCount: number, kind: Physical, blockRows: number): number {
  const scale = blockRows < BLOCK_ROWS_MIN ? blockRows / BLOCK_ROWS_MAX : 1;
  if (bytes <= UNCUT_BYTES_MAX * scale) return BLOCK_ROWS_MAX;
  const bytesMax = BYTES_MAX * scale * (kind === 'bytes' ? 2 : 1);
  const wanted = Math.min(ROWS_MAX * scale, (bytesMax * rowCount) / bytes);
  const least = Math.max(UNIT_ROWS_MIN, ROWS_MIN * scale);
  return 2 ** Math.floor(Math.log2(Math.max(least, wanted)));
}

/** Bytes of a section that its rows have, without what all of them share. */
export function bytesOfRows(section: Buffer, rowCount: number): number {
  const at = section[0] === 0 ? 1 : 1 + Math.ceil(rowCount / 4);
  return section.length - (section[at] === ENCODING.dictionary ? dictionaryEnd(section.subarray(at)) : 0);
}

/** A section as `encodeBlock` writes it, in units of so many rows, which are a multiple of four. */
export function cutSection(section: Buffer, rowCount: number, kind: Physical, unitRows: number): CutSection {
  const isFull = section[0] === 0;
  const presence = isFull ? null : section.subarray(1, 1 + Math.ceil(rowCount / 4));
  const ends = valuesBefore(presence, rowCount, unitRows);
  const { take, dictionary } = cutterOf(section.subarray(1 + (presence?.length ?? 0)), ends.at(-1)!, kind);
  const units: Uint8Array[][] = [];
  const values: number[] = [];
  for (let unit = 0; unit + 1 < ends.length; unit++) {
    const [from, to] = [ends[unit]!, ends[unit + 1]!];
    const first = unit * unitRows;
    const isWhole = to - from === Math.min(unitRows, rowCount - first);
    const states = isWhole ? [FULL] : [SOME, presence!.subarray(first / 4, Math.ceil((first + unitRows) / 4))];
    units.push([...states, ...take(from, to)]);
    values.push(to - from);
  }
  return { dictionary, units, values };
}

const FULL = Uint8Array.of(0);
const SOME = Uint8Array.of(1);
const CODES = Uint8Array.of(BLOCK_ENCODING.codes);

/** How many values stand before each unit, and at last all of them. */
function valuesBefore(presence: Uint8Array | null, rowCount: number, unitRows: number): number[] {
  const ends = [0];
  let count = 0;
  for (let row = 0; row < rowCount; row += unitRows) {
    const end = Math.min(row + unitRows, rowCount);
    if (presence === null) count += end - row;
    else for (let i = row; i < end; i++) if (((presence[i >> 2]! >> ((i & 3) * 2)) & 3) === CELL.value) count++;
    ends.push(count);
  }
  return ends;
}

/** `values` begin with their encoding. */
function cutterOf(values: Buffer, count: number, kind: Physical): Cutter {
  switch (values[0]) {
    case ENCODING.u8:
      return { take: strides(values, 1, 1), dictionary: null };
    case ENCODING.i32:
      return { take: strides(values, 1, 4), dictionary: null };
    case ENCODING.f64:
    case ENCODING.i64:
      return { take: strides(values, 1, 8), dictionary: null };
    case ENCODING.frame:
      return { take: strides(values, 10, values[9]!), dictionary: null };
    case BLOCK_ENCODING.steps:
      return { take: strides(values, 18, values[17]!), dictionary: null };
    case BLOCK_ENCODING.bits:
      return { take: (from, to) => bits(values, from, to), dictionary: null };
    case ENCODING.bytes:
      return { take: texts(values, count), dictionary: null };
    case ENCODING.dictionary:
      return dictionary(values, count);
    case BLOCK_ENCODING.rising:
      return { take: rising(values, count), dictionary: null };
    case BLOCK_ENCODING.decimals: {
      const head = values.subarray(0, 2);
      const inner = cutterOf(values.subarray(2), count, 'whole').take;
      return { take: (from, to) => [head, ...inner(from, to)], dictionary: null };
    }
    case BLOCK_ENCODING.runs:
      return runs(values, kind);
    default:
      throw new Error(`encoding ${values[0]} of kind ${kind} is not cut`);
  }
}

/** A head that all share, then so many bytes a value. */
function strides(values: Buffer, headBytes: number, bytes: number): Take {
  const head = values.subarray(0, headBytes);
  return (from, to) => [head, values.subarray(headBytes + from * bytes, headBytes + to * bytes)];
}

function bits(values: Buffer, from: number, to: number): readonly Uint8Array[] {
  const out = Buffer.alloc(1 + Math.ceil((to - from) / 8));
  out[0] = BLOCK_ENCODING.bits;
  if ((from & 7) === 0) out.set(values.subarray(1 + from / 8, 1 + Math.ceil(to / 8)), 1);
  else
    for (let i = from; i < to; i++)
      out[1 + ((i - from) >> 3)]! |= ((values[1 + (i >> 3)]! >> (i & 7)) & 1) << ((i - from) & 7);
  return [out];
}

function texts(values: Buffer, count: number): Take {
  const first = 1 + count * 4;
  const starts = new Uint32Array(count + 1);
  for (let i = 0, at = first; i <= count; i++) {
    starts[i] = at;
    if (i < count) at += values.readUInt32LE(1 + i * 4);
  }
  const head = values.subarray(0, 1);
  return (from, to) => [head, values.subarray(1 + from * 4, 1 + to * 4), values.subarray(starts[from]!, starts[to]!)];
}

/** Where the entries end, behind the encoding and their number. */
function dictionaryEnd(values: Buffer): number {
  const entries = values.readUInt32LE(1);
  let end = 5 + entries * 4;
  for (let entry = 0; entry < entries; entry++) end += values.readUInt32LE(5 + entry * 4);
  return end;
}

function dictionary(values: Buffer, count: number): Cutter {
  const entries = values.readUInt32LE(1);
  const end = dictionaryEnd(values);
  const width = entries <= 256 ? 1 : 2;
  if (end <= DICTIONARY_BYTES_MAX) {
    const take: Take = (from, to) => [CODES, values.subarray(end + from * width, end + to * width)];
    return { take, dictionary: values.subarray(1, end) };
  }
  const codes = Uint16Array.from({ length: count }, (_, i) =>
    width === 1 ? values[end + i]! : values.readUInt16LE(end + i * 2),
  );
  const entry = texts(Buffer.concat([Uint8Array.of(ENCODING.bytes), values.subarray(5)]), entries);
  return { take: (from, to) => ownDictionary(entry, codes.subarray(from, to)), dictionary: null };
}

/** Those entries that some values have, as a dictionary of their own; or the values as they are, where few come again. */
function ownDictionary(entry: Take, codes: Uint16Array): readonly Uint8Array[] {
  const known = new Map<number, number>();
  for (const code of codes) if (!known.has(code)) known.set(code, known.size);
  const isWorth = known.size * 2 <= codes.length;
  const picked = isWorth ? [...known.keys()] : codes;
  const lengths: Uint8Array[] = [];
  const bytes: Uint8Array[] = [];
  for (const code of picked) {
    const [, length, own] = entry(code, code + 1);
    lengths.push(length!);
    bytes.push(own!);
  }
  if (!isWorth) return [Uint8Array.of(ENCODING.bytes), ...lengths, ...bytes];
  const head = Buffer.alloc(5);
  head[0] = ENCODING.dictionary;
  head.writeUInt32LE(known.size, 1);
  const own = known.size > 256 ? new Uint16Array(codes.length) : new Uint8Array(codes.length);
  for (let i = 0; i < codes.length; i++) own[i] = known.get(codes[i]!)!;
  return [head, ...lengths, ...bytes, new Uint8Array(own.buffer, own.byteOffset, own.byteLength)];
}

/** Each unit begins anew: its first value is a start. */
function rising(values: Buffer, count: number): Take {
  const unit = values.readBigInt64LE(1);
  const width = values[9]!;
  const startCount = values.readUInt32LE(10);
  const valuesAt = 14 + startCount * 4;
  const stepsAt = valuesAt + startCount * 8;
  const placeAt = (start: number): number => (start < startCount ? values.readUInt32LE(14 + start * 4) : count);
  const stepAt = (i: number): number => (width === 1 ? values[stepsAt + i]! : values.readUInt16LE(stepsAt + i * 2));
  // Units are taken in order: what stands before the next is known when the one before was.
  let [next, start, value] = [0, 0, 0n];
  return (from, to) => {
    if (from < next) throw new Error(`values ${from} … of a block are taken behind ${next}`);
    const places: number[] = [];
    const starts: bigint[] = [];
    let steps = 0;
    for (; next < to; next++) {
      if (placeAt(start) === next) {
        value = values.readBigInt64LE(valuesAt + start * 8);
        steps = 0;
        start++;
        places.push(next - from);
        starts.push(value);
      } else {
        steps += stepAt(next);
        if (next !== from) continue;
        value += unit * BigInt(steps);
        steps = 0;
        places.push(0);
        starts.push(value);
      }
    }
    value += unit * BigInt(steps);
    const head = Buffer.alloc(14 + places.length * 12);
    values.copy(head, 0, 0, 10);
    head.writeUInt32LE(places.length, 10);
    for (const [i, place] of places.entries()) {
      head.writeUInt32LE(place, 14 + i * 4);
      head.writeBigInt64LE(starts[i]!, 14 + places.length * 4 + i * 8);
    }
    return [head, values.subarray(stepsAt + from * width, stepsAt + to * width)];
  };
}

/** A run that goes on in the next unit is a run there too. */
function runs(values: Buffer, kind: Physical): Cutter {
  const count = values.readUInt32LE(1);
  const ends = new Uint32Array(count);
  for (let run = 0, end = 0; run < count; run++) {
    end += values.readUInt32LE(5 + run * 4);
    ends[run] = end;
  }
  const inner = cutterOf(values.subarray(5 + count * 4), count, kind);
  let run = 0;
  const take: Take = (from, to) => {
    while (run > 0 && ends[run - 1]! > from) run--;
    while (run < count && ends[run]! <= from) run++;
    const first = run;
    const lengths: number[] = [];
    for (let at = from; at < to; run++) {
      lengths.push(Math.min(ends[run]!, to) - at);
      at = Math.min(ends[run]!, to);
    }
    const head = Buffer.alloc(5 + lengths.length * 4);
    head[0] = BLOCK_ENCODING.runs;
    head.writeUInt32LE(lengths.length, 1);
    for (const [i, length] of lengths.entries()) head.writeUInt32LE(length, 5 + i * 4);
    return [head, ...inner.take(first, first + lengths.length)];
  };
  return { take, dictionary: inner.dictionary };
}
