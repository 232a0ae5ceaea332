/** Whole numbers of a block as offsets from the smallest, and the smallest encoding of them that scans fast. */

import { ENCODING, Scratch } from '@tidemark/columnar/column-encoding';
import { BLOCK_ENCODING, BLOCK_ROWS_MAX } from './block-encoding.ts';

/** Value i is `base + offsets[i]`; every offset is a whole number from 0 to `max` ≤ 2^53. Good until others are made. */
export type Integers = { readonly base: bigint; readonly offsets: Float64Array; readonly max: number };

/** The offsets of the numbers that were looked at last; they are encoded before others are looked at. */
let offsetScratch = new Float64Array(0);
const widthScratch = new Scratch();

function offsetRoom(count: number): Float64Array {
  if (count > offsetScratch.length) offsetScratch = new Float64Array(Math.max(count, BLOCK_ROWS_MAX));
  return offsetScratch.subarray(0, count);
}

/** Another encoding than a frame has to be this much smaller, as frames scan fastest. */
const WORTH = 0.8;

/** The smallest and the largest of some whole numbers, both inclusive. */
export type Span = { readonly min: number; readonly max: number };

/**
 * Numbers of an i32 or whole column; null when they lie further apart than a double tells exactly.
 * @param span of these values, where it is known
 */
export function integersOf(values: Int32Array | Float64Array, rows: Uint32Array, span: Span | null): Integers | null {
  if (rows.length === 0) return { base: 0n, offsets: new Float64Array(0), max: 0 };
  if (values instanceof Int32Array && areNeighbours(rows)) {
    return neighbouringInts(values, rows[0]!, rows.length, span ?? spanOf(values, rows[0]!, rows.length));
  }
  const offsets = doublesAt(values, rows);
  let min = offsets[0]!;
  let max = min;
  for (let i = 1; i < offsets.length; i++) {
    const value = offsets[i]!;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  if (max - min > Number.MAX_SAFE_INTEGER) return null;
  if (min === max) offsets.fill(0);
  else if (min !== 0) for (let i = 0; i < offsets.length; i++) offsets[i]! -= min;
  return { base: BigInt(min), offsets, max: max - min };
}

/** As most blocks of whole numbers are: loops that meet one kind of array. */
function neighbouringInts(values: Int32Array, first: number, count: number, { min, max }: Span): Integers {
  const offsets = offsetRoom(count);
  if (min === max) offsets.fill(0);
  else for (let i = 0; i < count; i++) offsets[i] = values[first + i]! - min;
  return { base: BigInt(min), offsets, max: max - min };
}

function spanOf(values: Int32Array, first: number, count: number): Span {
  let min = values[first]!;
  let max = min;
  for (let row = first + 1; row < first + count; row++) {
    const value = values[row]!;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return { min, max };
}

/** Of ascending rows. */
function areNeighbours(rows: Uint32Array): boolean {
  return rows[rows.length - 1]! - rows[0]! === rows.length - 1;
}

/** The values of ascending rows, which mostly follow one another, as doubles. */
function doublesAt(values: Int32Array | Float64Array, rows: Uint32Array): Float64Array {
  const first = rows[0]!;
  const doubles = offsetRoom(rows.length);
  if (areNeighbours(rows)) {
    doubles.set(values.subarray(first, first + rows.length));
    return doubles;
  }
  for (let i = 0; i < rows.length; i++) doubles[i] = values[rows[i]!]!;
  return doubles;
}

/** Numbers of an i64 column; null as `integersOf`. */
export function longsOf(values: BigInt64Array, rows: Uint32Array): Integers | null {
  if (rows.length === 0) return { base: 0n, offsets: new Float64Array(0), max: 0 };
  let min = values[rows[0]!]!;
  let max = min;
  for (let i = 1; i < rows.length; i++) {
    const value = values[rows[i]!]!;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  if (max - min > BigInt(Number.MAX_SAFE_INTEGER)) return null;
  const halves = new Uint32Array(values.buffer, values.byteOffset, values.length * 2);
  const low = Number(BigInt.asUintN(32, min));
  const high = Number(BigInt.asUintN(32, min >> 32n));
  const offsets = offsetRoom(rows.length);
  for (let i = 0; i < rows.length; i++) {
    const at = rows[i]! * 2;
    const apart = halves[at]! - low;
    // The upper halves may wrap; the distance fits into 53 bits, so what is left is right.
    const above = (halves[at + 1]! - high - (apart < 0 ? 1 : 0)) >>> 0;
    offsets[i] = above * 4_294_967_296 + (apart < 0 ? apart + 4_294_967_296 : apart);
  }
  return { base: min, offsets, max: Number(max - min) };
}

/** What tells encodings apart. */
type Shape = {
  /** Divides every offset. */
  readonly unit: number;
  /** Bytes an offset / unit needs: 0, 1, 2, 4, or 8 for what four do not hold. */
  readonly width: number;
  /** Infinite once they are too many to be worth it. */
  readonly runs: number;
  /** Starts that rising steps of 1 or 2 bytes need; infinite as `runs`. */
  readonly starts: readonly [number, number];
};

/** The encoding and the values; null when 8 bytes each, as they are, do better. */
export function encodeIntegers(integers: Integers): Buffer | null {
  if (integers.max === 0) return encodeFrame(integers, 1, 0);
  const { unit, width, runs, starts } = shapeOf(integers);
  const count = integers.offsets.length;
  const runBytes = runBytesOf(runs, width);
  const [narrow, wide] = [risingBytesOf(starts[0], count, 1), risingBytesOf(starts[1], count, 2)];
  const best = Math.min(runBytes, narrow, wide);
  if (best < frameBytesOf(count, width) * WORTH) {
    if (best === runBytes) return width < 8 ? encodeRuns(integers, runs) : null;
    return narrow <= wide ? encodeRising(integers, unit, 1, starts[0]) : encodeRising(integers, unit, 2, starts[1]);
  }
  return width === 8 ? null : encodeFrame(integers, unit, width);
}

const frameBytesOf = (count: number, width: number): number => 9 + count * width;
const runBytesOf = (runs: number, width: number): number => 14 + runs * (4 + width);
const risingBytesOf = (starts: number, count: number, width: number): number => 13 + starts * 12 + count * width;

function shapeOf({ offsets, max }: Integers): Shape {
  const unit = unitOf(offsets);
  const width = widthFor(max / unit);
  const count = offsets.length;
  const bytesMax = frameBytesOf(count, width) * WORTH;
  const runsMax = (bytesMax - runBytesOf(0, width)) / (4 + width);
  const startsMax = (bytes: number): number => (bytesMax - risingBytesOf(0, count, bytes)) / 12;
  const narrow = countSteps(offsets, 0xff * unit, startsMax(1));
  // Two bytes a value are more than one and its starts.
  const isNarrow = narrow * 12 <= count;
  return {
    unit,
    width,
    runs: countSteps(offsets, 0, runsMax),
    starts: [narrow, isNarrow ? Number.POSITIVE_INFINITY : countSteps(offsets, 0xffff * unit, startsMax(2))],
  };
}

/** Values at the start of a block that say whether to look at the rest. */
const SAMPLE = 1024;

/**
 * 1 for the first offset and 1 for each that is not 0 to `max` above the one before it; infinite beyond `most`, or when
 * there are twice as many among the first as that would have.
 */
function countSteps(offsets: Float64Array, max: number, most: number): number {
  const count = offsets.length;
  const mostFirst = Math.min(most, (2 * most * SAMPLE) / count + 16);
  const first = Math.min(SAMPLE, count);
  let steps = stepsIn(offsets, 1, first, max, 1, mostFirst);
  if (steps > mostFirst) return Number.POSITIVE_INFINITY;
  steps = stepsIn(offsets, first, count, max, steps, most);
  return steps <= most ? steps : Number.POSITIVE_INFINITY;
}

/** `steps` and those at offsets `from … to`; it may stop beyond `most`. */
function stepsIn(offsets: Float64Array, from: number, to: number, max: number, steps: number, most: number): number {
  let found = steps;
  let before = offsets[from - 1]!;
  for (let i = from; i < to && found <= most; i++) {
    const offset = offsets[i]!;
    const step = offset - before;
    before = offset;
    found += step >= 0 && step <= max ? 0 : 1;
  }
  return found;
}

/** The largest number that divides all; 1 when all are 0. */
function unitOf(offsets: Float64Array): number {
  let unit = 0;
  for (let i = 0; i < offsets.length && unit !== 1; i++) {
    let rest = offsets[i]!;
    // As in most rows: no more than one division, and none that asks for the rest, which is slow.
    if (unit !== 0) rest = Math.floor(rest / unit) * unit === rest ? 0 : rest % unit;
    while (rest !== 0) {
      const next = unit % rest;
      unit = rest;
      rest = next;
    }
  }
  return unit === 0 ? 1 : unit;
}

function widthFor(span: number): number {
  if (span === 0) return 0;
  if (span <= 0xff) return 1;
  if (span <= 0xffff) return 2;
  return span <= 0xffff_ffff ? 4 : 8;
}

function encodeFrame({ base, offsets }: Integers, unit: number, width: number): Buffer {
  // A unit saves nothing unless it makes the numbers narrower, but it costs nothing either.
  const head = unit === 1 ? 10 : 18;
  const out = Buffer.allocUnsafe(head + offsets.length * width);
  out[0] = unit === 1 ? ENCODING.frame : BLOCK_ENCODING.steps;
  out.writeBigInt64LE(base, 1);
  if (unit !== 1) out.writeBigInt64LE(BigInt(unit), 9);
  out[head - 1] = width;
  writeUnsigned(out, head, offsets, unit, width);
  return out;
}

function writeUnsigned(out: Buffer, from: number, numbers: Float64Array, unit: number, width: number): void {
  if (width === 0) return;
  const { bytes, u16, u32 } = widthScratch.reserve(numbers.length * width);
  const array = width === 1 ? bytes : width === 2 ? u16 : u32;
  if (unit === 1) array.set(numbers);
  else for (let i = 0; i < numbers.length; i++) array[i] = numbers[i]! / unit;
  out.set(bytes.subarray(0, numbers.length * width), from);
}

function encodeRising({ base, offsets }: Integers, unit: number, width: 1 | 2, starts: number): Buffer {
  const places = 14 + starts * 4;
  const first = places + starts * 8;
  const out = Buffer.allocUnsafe(first + offsets.length * width);
  out[0] = BLOCK_ENCODING.rising;
  out.writeBigInt64LE(BigInt(unit), 1);
  out[9] = width;
  out.writeUInt32LE(starts, 10);
  const { bytes, u16 } = widthScratch.reserve(offsets.length * width);
  const steps = width === 1 ? bytes : u16;
  const stepMax = (width === 1 ? 0xff : 0xffff) * unit;
  let start = 0;
  let before = Number.POSITIVE_INFINITY;
  for (let i = 0; i < offsets.length; i++) {
    const offset = offsets[i]!;
    const step = offset - before;
    before = offset;
    if (step >= 0 && step <= stepMax) steps[i] = step / unit;
    else {
      steps[i] = 0;
      out.writeUInt32LE(i, 14 + start * 4);
      out.writeBigInt64LE(base + BigInt(offset), places + start * 8);
      start++;
    }
  }
  out.set(bytes.subarray(0, offsets.length * width), first);
  return out;
}

function encodeRuns({ base, offsets, max }: Integers, runs: number): Buffer {
  const lengths = new Uint32Array(runs);
  const heads = new Float64Array(runs);
  let run = -1;
  for (let i = 0; i < offsets.length; i++) {
    if (i === 0 || offsets[i] !== offsets[i - 1]) heads[++run] = offsets[i]!;
    lengths[run]!++;
  }
  const unit = unitOf(heads);
  const values = encodeFrame({ base, offsets: heads, max }, unit, widthFor(max / unit));
  return joinRuns(lengths, values);
}

/** Runs of those lengths, of values that begin with their encoding. */
export function joinRuns(lengths: Uint32Array, values: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(5 + lengths.byteLength + values.length);
  out[0] = BLOCK_ENCODING.runs;
  out.writeUInt32LE(lengths.length, 1);
  out.set(new Uint8Array(lengths.buffer, lengths.byteOffset, lengths.byteLength), 5);
  out.set(values, 5 + lengths.byteLength);
  return out;
}
