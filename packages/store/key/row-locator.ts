/**
 * Where the rows of a memtable stand in a segment: what a flush clears the bits of, and what a scan passes over while the
 * memtable is not flushed. Remembered per memtable and segment, as neither changes.
 */

import { setImmediate } from 'node:timers/promises';
import type { Table } from '@tidemark/model/table';
import type { Memtable } from '../memtable/memtable.ts';
import type { MemtableSource } from '../memtable/memtable-source.ts';
import { compareRanges } from '../row/bytes.ts';
import type { Want } from '../row/rows.ts';
import { type SelectedBlock, SelectedSource } from '../row/selected-source.ts';
import type { Source } from '../row/source.ts';
import { KeyToFind } from '../segment/key-to-find.ts';
import type { LiveSegment } from '../segment/live-segment.ts';
import type { Segment } from '../segment/segment.ts';
import type { KeyFilter } from './key-filter.ts';
import { KeyZones } from './key-zones.ts';

/** Fewer keys than one in so many rows of a block are looked for one by one; more, by reading all its keys. */
const SPARSE_ROWS = 24;
const KEYS_ONLY: Want = { columns: new Map(), keys: true, stamps: false };

/** Among so many segments it pays to know the bounds of a memtable's key columns. */
const ZONED_SEGMENTS = 4;

type Remembered = {
  readonly bySegment: WeakMap<Segment, Promise<readonly SelectedBlock[]>>;
  zones: KeyZones | null;
};

const remembered = new WeakMap<Memtable, Remembered>();

/** Rows of a segment that have their key in the memtable too, dead ones included. */
function locate(
  memtable: MemtableSource,
  segment: Segment,
  table: Table,
  segmentCount: number,
): Promise<readonly SelectedBlock[]> {
  let known = remembered.get(memtable.memtable);
  if (known === undefined) {
    known = { bySegment: new WeakMap(), zones: null };
    remembered.set(memtable.memtable, known);
  }
  const { bySegment } = known;
  let located = bySegment.get(segment);
  if (located === undefined) {
    if (segmentCount >= ZONED_SEGMENTS) known.zones ??= new KeyZones(memtable, table);
    located = search(memtable, segment, table, known.zones);
    bySegment.set(segment, located);
    // What failed once may work the next time.
    located.catch(() => bySegment.delete(segment));
  }
  return located;
}

async function search(
  memtable: MemtableSource,
  segment: Segment,
  table: Table,
  zones: KeyZones | null,
): Promise<readonly SelectedBlock[]> {
  const keys = new SortedKeys(memtable);
  const found: SelectedBlock[] = [];
  let from = 0;
  for (const [block, { first, last, rowCount }] of segment.blocks.entries()) {
    from = keys.firstAtOrAfter(first, from);
    let to = keys.firstAtOrAfter(last, from);
    if (to < keys.count && keys.compare(to, last, 0, last.length) === 0) to++;
    const begin = from;
    from = to;
    if (begin === to || (zones !== null && !(await zones.mayMeet(segment, block, table)))) continue;
    const places = keys.likely(begin, to, await segment.keys.filter());
    if (places.length === 0) continue;
    const rows =
      places.length * SPARSE_ROWS < rowCount
        ? await findEach(keys, places, segment, block, table)
        : await joinKeys(keys, places, segment, block);
    if (rows.length > 0)
      found.push({ block, rows: Uint32Array.from(rows), first: keys.at(rows.first), last: keys.at(rows.last) });
    await setImmediate();
  }
  return found;
}

/** Rows found, and the places in key order of the first and the last of their keys. */
class Found extends Array<number> {
  first = -1;
  last = -1;

  take(row: number, place: number): void {
    this.push(row);
    if (this.first === -1) this.first = place;
    this.last = place;
  }
}

async function findEach(
  keys: SortedKeys,
  places: Uint32Array,
  segment: Segment,
  block: number,
  table: Table,
): Promise<Found> {
  const found = new Found();
  for (let i = 0; i < places.length; i++) {
    const row = segment.keys.find(new KeyToFind(table, keys.at(places[i]!)));
    const number = typeof row === 'number' ? row : await row;
    if (number !== -1) found.take(number - segment.firstRows[block]!, places[i]!);
  }
  return found;
}

async function joinKeys(keys: SortedKeys, places: Uint32Array, segment: Segment, block: number): Promise<Found> {
  const found = new Found();
  const { rowCount, keys: stored } = await segment.read(block, KEYS_ONLY);
  const { arena, starts, lengths } = stored;
  let row = 0;
  for (let n = 0; n < places.length && row < rowCount; n++) {
    const i = places[n]!;
    // Gallops: cheap when the next key is near.
    let step = 1;
    let low = row;
    while (low + step <= rowCount && keys.compare(i, arena, starts[low + step - 1]!, lengths[low + step - 1]!) > 0) {
      low += step;
      step *= 2;
    }
    let high = Math.min(rowCount, low + step - 1);
    while (low < high) {
      const middle = (low + high) >> 1;
      if (keys.compare(i, arena, starts[middle]!, lengths[middle]!) > 0) low = middle + 1;
      else high = middle;
    }
    row = low;
    if (row < rowCount && keys.compare(i, arena, starts[row]!, lengths[row]!) === 0) found.take(row, i);
  }
  return found;
}

/** A memtable's keys in order. */
class SortedKeys {
  readonly #source: MemtableSource;

  constructor(source: MemtableSource) {
    this.#source = source;
  }

  get count(): number {
    return this.#source.rowCount;
  }

  at(place: number): Uint8Array {
    return new Uint8Array(this.#source.memtable.keys.bytesAt(this.#source.rowAt(place)));
  }

  compare(place: number, bytes: Uint8Array, start: number, length: number): number {
    const { arena, starts, lengths } = this.#source.memtable.keys;
    const row = this.#source.rowAt(place);
    return compareRanges(arena, starts[row]!, lengths[row]!, bytes, start, length);
  }

  /** Places `from … to` of keys that a filter lets through; null lets all. */
  likely(from: number, to: number, filter: KeyFilter | null): Uint32Array {
    const places = new Uint32Array(to - from);
    if (filter === null) return places.map((_, i) => from + i);
    const hashes = this.#source.keyHashes;
    let count = 0;
    for (let place = from; place < to; place++) if (filter.mayHave(hashes[place]!)) places[count++] = place;
    return places.subarray(0, count);
  }

  firstAtOrAfter(key: Uint8Array, from: number): number {
    let low = from;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.compare(middle, key, 0, key.length) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** What memtables put in the place of a segment's rows. */
export type Superseded = {
  /** Numbers of the rows in the segment, ascending. */
  readonly rows: Uint32Array;
  /** These rows, as they are stored, to be joined with the memtables'. */
  readonly source: Source;
};

/** The live rows of one of so many segments that some memtables have too; null when there are none. */
export async function superseded(
  { segment, live }: LiveSegment,
  memtables: readonly MemtableSource[],
  table: Table,
  segmentCount: number,
): Promise<Superseded | null> {
  const located: SelectedBlock[] = [];
  for (const memtable of memtables) located.push(...(await locate(memtable, segment, table, segmentCount)));
  const byBlock = new Map<number, SelectedBlock>();
  for (const one of located) {
    const other = byBlock.get(one.block);
    byBlock.set(one.block, other === undefined ? one : bothOf(one, other));
  }
  const selected = [...byBlock.values()].sort((a, b) => a.block - b.block);
  if (selected.length === 0) return null;
  const rows: number[] = [];
  for (const { block, rows: inBlock } of selected) {
    const first = segment.firstRows[block]!;
    for (const row of inBlock!) if (live === null || live.isLive(first + row)) rows.push(first + row);
  }
  // Rows that are not live may stay in the source: their newer forms hold all that they do.
  return rows.length === 0 ? null : { rows: Uint32Array.from(rows), source: new SelectedSource(segment, selected) };
}

function bothOf(a: SelectedBlock, b: SelectedBlock): SelectedBlock {
  const rows = Uint32Array.from(new Set([...a.rows!, ...b.rows!])).sort();
  const isFirst = compareRanges(a.first, 0, a.first.length, b.first, 0, b.first.length) <= 0;
  const isLast = compareRanges(a.last, 0, a.last.length, b.last, 0, b.last.length) >= 0;
  return { block: a.block, rows, first: isFirst ? a.first : b.first, last: isLast ? a.last : b.last };
}
