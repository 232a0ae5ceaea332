/**
 * A range's place in one segment: over the rows that are live, some rows of a block at a time, as many as are at hand of all
 * the columns that it reads.
 */

import type { Physical } from '@tidemark/model/column-type';
import type { StoredCells } from '../cells/stored-cells.ts';
import type { Chunk } from '../encoding/chunk.ts';
import type { Memtable } from '../memtable/memtable.ts';
import { compareBytes } from '../row/bytes.ts';
import type { DeletionVector } from '../segment/deletion-vector.ts';
import type { HeldFile } from '../segment/held-file.ts';
import type { LiveSegment } from '../segment/live-segment.ts';
import type { Segment } from '../segment/segment.ts';
import type { PlacedColumns } from '../segment/segment-order.ts';
import type { StoredBlock } from '../segment/stored-block.ts';
import { togetherOf } from '../segment/together.ts';
import type { BlocksAtHand } from './blocks-at-hand.ts';
import { endsBehind, Stretch } from './head.ts';
import { type KeyBlock, KeyBytes } from './key-block.ts';
import type { RangeBounds } from './range-wish.ts';

/** A column of the rows that a head has at hand: its place among those wanted, its cells, and what has their stamps. */
export type HeadCells = {
  readonly place: number;
  readonly file: HeldFile<StoredBlock>;
  readonly chunk: Chunk;
  readonly part: StoredBlock;
};

/** Ids of the columns that are wanted, and the place of each among them. */
export type WantedColumns = { readonly ids: readonly number[]; readonly places: ReadonlyMap<number, number> };

/** One segment's rows in a range. What answers undefined has to read something first; then the whole read begins again. */
export class SegmentHead {
  readonly segment: Segment;
  /** The block it is in, and the row, counted from the first of the rows at hand. */
  block = 0;
  row = 0;
  /** Of the first of the rows at hand, in the block. */
  #firstRow = 0;
  #rowCount = 0;
  readonly #live: DeletionVector | null;
  readonly #bounds: RangeBounds;
  readonly #kinds: readonly Physical[];
  readonly #atHand: BlocksAtHand;
  readonly #columns: PlacedColumns;
  readonly #step: 1 | -1;
  readonly #stretch: Stretch;
  #keys: KeyBlock | null = null;
  #puts: Chunk | null = null;
  readonly #key = new KeyBytes();
  #isKeyMade = false;
  /** Of the rows at hand. */
  #cells: readonly HeadCells[] = [];
  #shared: StoredCells | null = null;
  /** By place in the columns, the entry of which a text was made last, and the text: neighbours often have the same. */
  readonly entries: number[] = [];
  readonly texts: string[] = [];
  /** A memtable of which it was told whether all of its writes are newer than the current block. */
  #told: Memtable | null = null;
  #isOlder = false;

  /** @param columns that are wanted @param kinds of the key columns */
  constructor(
    { segment, live }: LiveSegment,
    bounds: RangeBounds,
    columns: WantedColumns,
    kinds: readonly Physical[],
    atHand: BlocksAtHand,
  ) {
    this.segment = segment;
    this.#live = live;
    this.#bounds = bounds;
    this.#columns = segment.order.placed(columns.ids, columns.places);
    this.#kinds = kinds;
    this.#atHand = atHand;
    this.#step = bounds.direction === 'ascending' ? 1 : -1;
    this.#stretch = new Stretch(bounds, (row, bytes, start, length) => this.#keys!.compare(row, bytes, start, length));
  }

  /** Goes to the first row of the range. False when there is none. */
  start(): boolean | undefined {
    const { blocks, order } = this.segment;
    const { from, to } = this.#bounds;
    const isUp = this.#step === 1;
    const bound = isUp ? from : to;
    const block = isUp
      ? bound === null
        ? 0
        : order.firstBlockFrom(bound)
      : bound === null
        ? blocks.length - 1
        : order.lastBlockBefore(bound);
    if (!this.#mayHave(block)) return false;
    const isWhole = bound === null || order.areKeysHeld(block);
    const near = isWhole ? (isUp ? 0 : blocks[block]!.rowCount - 1) : order.rowNear(block, bound);
    if (!this.#enter(block, near)) return undefined;
    if (bound !== null) {
      const row = this.#keys!.firstFrom(bound, 0, this.#rowCount);
      this.row = isUp ? row : row - 1;
    }
    return this.#settle();
  }

  /** The current row's key; good until it moves. */
  get key(): KeyBytes {
    if (!this.#isKeyMade) this.#keys!.write(this.row, this.#key);
    this.#isKeyMade = true;
    return this.#key;
  }

  /** Order of the current row's key and another. */
  compare({ bytes, start, length }: KeyBytes): number {
    return this.#keys!.compare(this.row, bytes, start, length);
  }

  /** The number of the current row in its block. */
  get rowInBlock(): number {
    return this.#firstRow + this.row;
  }

  /** The row that comes so many rows later in its block. */
  rowAhead(count: number): number {
    return this.row + this.#step * count;
  }

  /** The key of a row of the block it is in. */
  keyOf(row: number): Uint8Array {
    const key = new KeyBytes();
    this.#keys!.write(row, key);
    return key.copy();
  }

  /** How many rows, from the current one on and at most `max`, come before that key; some of them may not be live. */
  count(before: KeyBytes | null, max: number): number {
    return this.#stretch.count(this.row, before, max);
  }

  /** Moves on by so many rows, as `count` told. False when the range ends before. */
  advance(count: number): boolean | undefined {
    this.row += this.#step * count;
    return this.#settle();
  }

  /** Whether a row of the block it is in is live, as far as the deletion vector says. */
  isLive(row: number): boolean {
    return this.#live === null || this.#live.isLive(this.segment.firstRows[this.block]! + this.#firstRow + row);
  }

  /** Flags of the rows at hand; null when all of them have a put. */
  get puts(): Chunk | null {
    return this.#puts;
  }

  /** Whether each write of the memtable is newer than all that the wanted columns have in this block, put and tombstones. */
  isOlderThan(memtable: Memtable): boolean | undefined {
    if (this.#told === memtable) return this.#isOlder;
    const { min } = memtable.writes;
    const isOlder = min !== null && this.segment.order.isOlderThan(this.block, this.#columns, min, this.#atHand);
    if (isOlder === undefined) return undefined;
    this.#told = memtable;
    this.#isOlder = isOlder;
    return isOlder;
  }

  /** Cells of the rows at hand, column by column, those in which a row of the block has one. */
  get cells(): readonly HeadCells[] {
    return this.#cells;
  }

  /** Cells of the rows at hand, and around them, of columns that share a file, wanted ones among others; null: none. */
  get shared(): StoredCells | null {
    return this.#shared;
  }

  /** The number of a row at hand among those of `shared`. */
  sharedRow(row: number): number {
    return this.#firstRow + row - this.#shared!.firstRow;
  }

  /** Whether there is such a block, and it is not beyond the range. */
  #mayHave(block: number): boolean {
    const range = this.segment.blocks[block];
    if (range === undefined) return false;
    const { from, to } = this.#bounds;
    if (this.#step === 1) return to === null || compareBytes(range.first, to) < 0;
    return from === null || compareBytes(range.last, from) >= 0;
  }

  /** At the first row that is at hand around one of a block, the way it goes. False after a miss. */
  #enter(block: number, near: number): boolean {
    const { order, blocks } = this.segment;
    const keys = order.keyParts(block, near, this.#atHand);
    const puts = order.puts(block, near, this.#atHand);
    // What will be wanted is read beside the keys.
    const cells = this.#partsAt(block, near);
    const sharedFile = this.#columns.shared;
    const shared = sharedFile === null ? null : this.#atHand.part(sharedFile, block, near);
    if (keys === undefined || puts === undefined || cells === null || shared === undefined) return false;
    const there = cells.map(({ part }) => part);
    const parts = puts === null ? [...keys, ...there] : [...keys, ...there, puts];
    const { firstRow, rowCount, columns } = togetherOf(parts, shared);
    this.block = block;
    this.#firstRow = firstRow;
    this.#rowCount = rowCount;
    this.row = this.#step === 1 ? 0 : rowCount - 1;
    this.#told = null;
    this.entries.length = 0;
    this.#keys = order.keys(block, columns.slice(0, keys.length), this.#kinds, rowCount);
    let at = keys.length;
    this.#cells = cells.map((one) => ({ ...one, chunk: columns[at++]! }));
    this.#shared = shared;
    this.#puts = puts === null ? null : columns.at(-1)!;
    const { first, last } = blocks[block]!;
    this.#stretch.begin(rowCount, endsBehind(this.#bounds, first, last));
    return true;
  }

  /** The parts of wanted columns that have any there; null after a miss. */
  #partsAt(block: number, row: number): Omit<HeadCells, 'chunk'>[] | null {
    const { own } = this.#columns;
    const parts: Omit<HeadCells, 'chunk'>[] = [];
    let isMissing = false;
    for (let i = 0; i < own.length; i++) {
      const { place, file } = own[i]!;
      const part = this.#atHand.part(file, block, row);
      if (part === undefined) isMissing = true;
      else if (part !== null) parts.push({ place, file, part });
    }
    return isMissing ? null : parts;
  }

  /** From where it is to the next live row. */
  #settle(): boolean | undefined {
    this.#isKeyMade = false;
    for (;;) {
      let left = this.#stretch.left(this.row);
      for (; left > 0 && !this.isLive(this.row); left--) this.row += this.#step;
      if (left > 0) return this.#stretch.has(this.row);
      if (this.#stretch.isCut) return false;
      const next = this.#step === 1 ? this.#firstRow + this.#rowCount : this.#firstRow - 1;
      const { blocks } = this.segment;
      if (next >= 0 && next < blocks[this.block]!.rowCount) {
        if (!this.#enter(this.block, next)) return undefined;
        continue;
      }
      const block = this.block + this.#step;
      if (!this.#mayHave(block)) return false;
      if (!this.#enter(block, this.#step === 1 ? 0 : blocks[block]!.rowCount - 1)) return undefined;
    }
  }
}
