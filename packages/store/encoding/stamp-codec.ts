/**
 * Stamps of some rows as three sections: ms, counter, and site × 2^24 + writer; each encoded as a column of
 * whole numbers. A row without one is absent in all three.
 */

import { CELL, ColumnVector } from '@tidemark/columnar/column-vector';
import { Fault } from '@tidemark/platform/fault';
import { NO_STAMP } from '../row/rows.ts';
import { decodeBlock } from './block-decoder.ts';
import { encodeBlock } from './block-encoder.ts';
import { type Chunk, hasValue, type NumberChunk, numberAt } from './chunk.ts';
import { absentChunk, joinChunks } from './join-chunks.ts';

const COUNTER_UNIT = 4_294_967_296;
const COUNTER_SHARE = 1 / COUNTER_UNIT;

/** Encodes block after block with the same vectors, so that none is made for each. */
export class StampCodec {
  readonly #ms = new ColumnVector('whole');
  readonly #counter = new ColumnVector('i32');
  readonly #tail = new ColumnVector('whole');

  /** Stamps of rows `from … to`, those for which `has` says so; null: all. Null when there are none. */
  encode(
    ms: Float64Array,
    low: Float64Array,
    from: number,
    to: number,
    has: ((row: number) => boolean) | null,
  ): [Buffer, Buffer, Buffer] | null {
    const vectors = [this.#ms, this.#counter, this.#tail];
    for (const vector of vectors) {
      vector.reserveRows(to - from);
      if (has === null) vector.presence.fill(CELL.value, 0, to - from);
      else vector.clear(to - from);
    }
    const count = has === null ? this.#setAll(ms, low, from, to) : this.#setSome(ms, low, from, to, has);
    if (count === 0) return null;
    const [first, second, third] = vectors.map((vector) => encodeBlock(vector, 0, to - from));
    return [first!, second!, third!];
  }

  #setAll(ms: Float64Array, low: Float64Array, from: number, to: number): number {
    this.#ms.f64.set(ms.subarray(from, to));
    splitLows(low, from, to, this.#counter.i32, this.#tail.f64);
    return to - from;
  }

  #setSome(ms: Float64Array, low: Float64Array, from: number, to: number, has: (row: number) => boolean): number {
    let count = 0;
    for (let row = from; row < to; row++) {
      if (!has(row)) continue;
      count++;
      const counter = Math.floor(low[row]! / COUNTER_UNIT);
      this.#ms.setNumber(row - from, ms[row]!);
      this.#counter.setNumber(row - from, counter);
      this.#tail.setNumber(row - from, low[row]! - counter * COUNTER_UNIT);
    }
    return count;
  }
}

/** A loop of its own, as every row that is flushed goes through it. */
function splitLows(low: Float64Array, from: number, to: number, counters: Int32Array, tails: Float64Array): void {
  for (let row = from; row < to; row++) {
    const both = low[row]!;
    // A power of two: as exact as a division, and of what is not negative the whole part is the floor.
    const counter = (both * COUNTER_SHARE) | 0;
    counters[row - from] = counter;
    tails[row - from] = both - counter * COUNTER_UNIT;
  }
}

/** The stamps of some rows, read. */
export class Stamps {
  readonly #ms: NumberChunk;
  readonly #counter: NumberChunk;
  readonly #tail: NumberChunk;

  /**
   * Of units that follow one another: three sections of each, or none where no row of it has a stamp; one unit has some.
   * @throws {Fault} `corrupt`: these are not the sections of stamps.
   */
  constructor(units: readonly StampUnit[]) {
    this.#ms = joined(units, 0, 'whole');
    this.#counter = joined(units, 1, 'i32');
    this.#tail = joined(units, 2, 'whole');
  }

  has(row: number): boolean {
    return hasValue(this.#ms, row);
  }

  msAt(row: number): number {
    return numberAt(this.#ms, row);
  }

  lowAt(row: number): number {
    return numberAt(this.#counter, row) * COUNTER_UNIT + numberAt(this.#tail, row);
  }

  /** Sets the stamps that are there; leaves the others. */
  fill(ms: Float64Array, low: Float64Array): void {
    for (let row = 0; row < this.#ms.rowCount; row++) {
      if (!this.has(row)) continue;
      ms[row] = this.msAt(row);
      low[row] = this.lowAt(row);
    }
  }
}

/** Sections of stamps of so many rows. */
export type StampUnit = { readonly sections: readonly Uint8Array[]; readonly rowCount: number };

function joined(units: readonly StampUnit[], place: number, kind: 'whole' | 'i32'): NumberChunk {
  const chunks = units.map(({ sections, rowCount }) => {
    if (sections.length === 0) return null;
    if (sections.length === 3) return numbersOf(decodeBlock(sections[place]!, rowCount, kind));
    const [got, expected] = [sections.length, 3];
    throw new Fault('corrupt', `${got} sections of stamps, expected ${expected}`, { got, expected });
  });
  const some = chunks.find((chunk) => chunk !== null)!;
  return numbersOf(
    joinChunks(
      chunks.map((chunk, i) => chunk ?? absentChunk(units[i]!.rowCount, some)),
      kind,
    ),
  );
}

function numbersOf(chunk: Chunk): NumberChunk {
  if (chunk.form === 'numbers') return chunk;
  throw new Fault('corrupt', `stamps of kind ${chunk.kind}`, { got: chunk.kind });
}

/** The smallest and the largest stamp of some rows as [ms, low]; null where no row has one. */
export type StampBounds = { readonly stampMin: [number, number] | null; readonly stampMax: [number, number] | null };

/** Smallest and largest stamp of the rows that have one, `has` says which; null: all. */
export function stampBounds(
  ms: Float64Array,
  low: Float64Array,
  from: number,
  to: number,
  has: ((row: number) => boolean) | null,
): StampBounds {
  if (has === null) return boundsOfAll(ms, low, from, to);
  let min = -1;
  let max = -1;
  for (let row = from; row < to; row++) {
    if (ms[row] === NO_STAMP || !has(row)) continue;
    if (min === -1 || ms[row]! < ms[min]! || (ms[row] === ms[min] && low[row]! < low[min]!)) min = row;
    if (max === -1 || ms[row]! > ms[max]! || (ms[row] === ms[max] && low[row]! > low[max]!)) max = row;
  }
  if (min === -1) return { stampMin: null, stampMax: null };
  return { stampMin: [ms[min]!, low[min]!], stampMax: [ms[max]!, low[max]!] };
}

/** There is at least one. */
function boundsOfAll(ms: Float64Array, low: Float64Array, from: number, to: number): StampBounds {
  let [minMs, minLow] = [ms[from]!, low[from]!];
  let [maxMs, maxLow] = [minMs, minLow];
  for (let row = from + 1; row < to; row++) {
    const own = ms[row]!;
    // As most are.
    if (own > minMs && own < maxMs) continue;
    const ownLow = low[row]!;
    if (own < minMs || (own === minMs && ownLow < minLow)) [minMs, minLow] = [own, ownLow];
    if (own > maxMs || (own === maxMs && ownLow > maxLow)) [maxMs, maxLow] = [own, ownLow];
  }
  return { stampMin: [minMs, minLow], stampMax: [maxMs, maxLow] };
}
