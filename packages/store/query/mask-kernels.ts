/**
 * Kernels over a mask of a block's rows, for scans that only count and add: which rows are chosen is a byte a row, cleared
 * by one condition after the other, and never made a list of. In WebAssembly, 16 rows at a time, and the same in JavaScript.
 *
 * There is one set for the process, and its mask is anybody's: it is used from `begin` on without waiting for anything.
 */

import { BLOCK_ROWS_MAX } from '../encoding/block-encoding.ts';
import type { Narrow } from '../encoding/chunk.ts';
import { MASK_KERNELS_WASM } from './mask-kernels-wasm.ts';

/** One mask and one loaded column at a time, shared by the process: no await between `begin` and the last call. */
export interface MaskKernels {
  /** Chooses all of the rows 0 … count − 1; at most 65,536. */
  begin(count: number): void;
  /** The numbers, one a row, that the next calls are about. */
  load(data: Narrow): void;
  /** Clears rows whose number is not within `low … high`, which need not be whole. */
  within(low: number, high: number): void;
  /** Clears rows whose bit is not set; the lowest bit of a byte comes first. */
  bits(bits: Uint8Array): void;
  /** Rows that are chosen of `from … to`. */
  count(from: number, to: number): number;
  /** The sum of the numbers of those, exact. */
  sum(from: number, to: number): number;
  /** Adds to each code's count its rows that are chosen. */
  countByCode(codes: Codes, counts: Uint32Array): void;
  /** Adds to each code's sum the numbers of its rows that are chosen; of a block such a sum is exact. */
  sumByCode(codes: Codes, data: Narrow, sums: Float64Array): void;
}

type Codes = Uint8Array | Uint16Array;

/** Smallest and largest number of an array of that kind. */
function boundsOf(data: Narrow): readonly [number, number] {
  if (data instanceof Uint8Array) return [0, 255];
  return data instanceof Uint16Array ? [0, 65_535] : [-2_147_483_648, 2_147_483_647];
}

/** The twin in JavaScript: says what the other does. */
export class PlainKernels implements MaskKernels {
  readonly #mask = new Uint8Array(BLOCK_ROWS_MAX);
  #count = 0;
  #data: Narrow = this.#mask;

  begin(count: number): void {
    this.#count = count;
    this.#mask.fill(1, 0, count);
  }

  load(data: Narrow): void {
    this.#data = data;
  }

  within(low: number, high: number): void {
    const mask = this.#mask;
    const data = this.#data;
    for (let row = 0; row < this.#count; row++) {
      const value = data[row]!;
      mask[row]! &= Number(value >= low) & Number(value <= high);
    }
  }

  bits(bits: Uint8Array): void {
    for (let row = 0; row < this.#count; row++) this.#mask[row]! &= bits[row >> 3]! >> (row & 7);
  }

  count(from: number, to: number): number {
    let count = 0;
    for (let row = from; row < to; row++) count += this.#mask[row]!;
    return count;
  }

  sum(from: number, to: number): number {
    const mask = this.#mask;
    const data = this.#data;
    let sum = 0;
    for (let row = from; row < to; row++) sum += mask[row]! * data[row]!;
    return sum;
  }

  countByCode(codes: Codes, counts: Uint32Array): void {
    countByCode(this.#mask, this.#count, codes, counts);
  }

  sumByCode(codes: Codes, data: Narrow, sums: Float64Array): void {
    sumByCode(this.#mask, this.#count, codes, data, sums);
  }
}

// Vectors have nothing for these: both kinds of kernels do them so. A mask's byte is odd where the row is chosen.
function countByCode(mask: Uint8Array, count: number, codes: Codes, counts: Uint32Array): void {
  for (let row = 0; row < count; row++) counts[codes[row]!]! += mask[row]! & 1;
}

function sumByCode(mask: Uint8Array, count: number, codes: Codes, data: Narrow, sums: Float64Array): void {
  for (let row = 0; row < count; row++) sums[codes[row]!]! += data[row]! & -(mask[row]! & 1);
}

type Exports = {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly within8: Within;
  readonly within16: Within;
  readonly within32: Within;
  readonly bits: (bits: number, mask: number, end: number) => void;
  readonly count: (mask: number, end: number) => number;
  readonly sum8: SumOf;
  readonly sum16: SumOf;
  readonly sum32: SumOf;
};
type Within = (data: number, mask: number, end: number, low: number, high: number) => void;
type SumOf = (data: number, mask: number, end: number) => number;

/** As far as it is used; the types of the platform have it only together with those of browsers. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
};

/** Where the mask begins in memory; it may be written to the end of the last sixteen. Then come the numbers. */
const MASK = 0;
const DATA = BLOCK_ROWS_MAX;

/** In WebAssembly. */
export class VectorKernels implements MaskKernels {
  readonly #exports: Exports;
  readonly #mask: Uint8Array;
  readonly #data8: Uint8Array;
  readonly #data16: Uint16Array;
  readonly #data32: Int32Array;
  #count = 0;
  #width: 1 | 2 | 4 = 1;

  constructor() {
    const module = new WebAssembly.Module(Buffer.from(MASK_KERNELS_WASM, 'base64'));
    this.#exports = new WebAssembly.Instance(module).exports as Exports;
    const { buffer } = this.#exports.memory;
    this.#mask = new Uint8Array(buffer, MASK, BLOCK_ROWS_MAX);
    this.#data8 = new Uint8Array(buffer, DATA, BLOCK_ROWS_MAX);
    this.#data16 = new Uint16Array(buffer, DATA, BLOCK_ROWS_MAX);
    this.#data32 = new Int32Array(buffer, DATA, BLOCK_ROWS_MAX);
  }

  begin(count: number): void {
    this.#count = count;
    this.#mask.fill(255, 0, count);
    // No kernel sets a row: those behind the last, up to the end of its sixteen, stay out.
    this.#mask.fill(0, count, (count + 15) & ~15);
  }

  load(data: Narrow): void {
    if (data instanceof Uint8Array) {
      this.#width = 1;
      this.#data8.set(data);
    } else if (data instanceof Uint16Array) {
      this.#width = 2;
      this.#data16.set(data);
    } else {
      this.#width = 4;
      this.#data32.set(data);
    }
  }

  within(low: number, high: number): void {
    const width = this.#width;
    const [least, most] = boundsOf(width === 1 ? this.#data8 : width === 2 ? this.#data16 : this.#data32);
    const from = Math.max(least, Math.ceil(low));
    const to = Math.min(most, Math.floor(high));
    // Also where one of them is NaN.
    if (!(from <= to)) {
      this.#mask.fill(0, 0, this.#count);
      return;
    }
    const { within8, within16, within32 } = this.#exports;
    const within = width === 1 ? within8 : width === 2 ? within16 : within32;
    within(DATA, MASK, MASK + this.#count, from, to);
  }

  bits(bits: Uint8Array): void {
    this.#width = 1;
    this.#data8.set(bits.subarray(0, (this.#count + 7) >> 3));
    this.#exports.bits(DATA, MASK, MASK + this.#count);
  }

  count(from: number, to: number): number {
    return this.#exports.count(MASK + from, MASK + to);
  }

  sum(from: number, to: number): number {
    const width = this.#width;
    const { sum8, sum16, sum32 } = this.#exports;
    const sum = width === 1 ? sum8 : width === 2 ? sum16 : sum32;
    return sum(DATA + from * width, MASK + from, MASK + to);
  }

  countByCode(codes: Codes, counts: Uint32Array): void {
    countByCode(this.#mask, this.#count, codes, counts);
  }

  sumByCode(codes: Codes, data: Narrow, sums: Float64Array): void {
    sumByCode(this.#mask, this.#count, codes, data, sums);
  }
}

/** Those of the process. */
export const maskKernels: MaskKernels = new VectorKernels();
