/**
 * A fingerprint of a partition's content, the same however it is laid out in segments. Rows are numbered from 0 in key
 * order, those that are deleted too. SHA-256 over, little-endian:
 *
 *   rows     per row: u32 key length, key, put stamp, tombstone stamp (none: ms −1, low 0)
 *   columns  by id ascending, those that have a cell and are not dropped: u32 id, SHA-256 over their cells, per cell:
 *            u32 row number, u8 state (1 value, 2 deleted), stamp, and for a value u32 length, bytes
 *   stamp    f64 ms, f64 low (counter × 2^32 + site × 2^24 + writer)
 *
 * A value's bytes: boolean u8, double f64, string and bytes themselves, every other type i64.
 *
 * Taken at a GC watermark, deletions with smaller stamps are not there: neither such tombstones (a row that is nothing else
 * has no number), nor cells in state 2. So whoever has forgotten them and whoever has not hold the same.
 */

import { createHash } from 'node:crypto';
import { setFromCellBytes } from '@tidemark/columnar/cell-bytes';
import { CELL, ColumnVector } from '@tidemark/columnar/column-vector';
import type { RowCells, SharedWant } from '@tidemark/columnar/row-cells';
import type { Physical } from '@tidemark/model/column-type';
import { cellKinds } from '@tidemark/model/table';
import { type GcWatermark, isBelow, laterGcWatermark } from './gc-watermark.ts';
import { mergeSources } from './merge/merge.ts';
import { type Cells, NO_STAMP, type Rows, type Want } from './row/rows.ts';
import { nextTurn, Turn } from './row/turn.ts';
import type { Snapshot } from './snapshot.ts';

/** The fingerprint of one partition at one moment; equal content at one GC watermark has an equal hash. */
export type PartitionDigest = {
  /** Live rows. */
  readonly rows: number;
  /** Cells that hold a value. */
  readonly cells: number;
  /** Rows that carry a tombstone, live again or not. */
  readonly tombstones: number;
  /** SHA-256 in hex. */
  readonly hash: string;
  /** The GC watermark it was taken at; null: with all deletions. Others can be compared that were taken at the same. */
  readonly gcWatermark: GcWatermark | null;
};

/** Columns read together: bounds memory when there are thousands. */
const COLUMNS_PER_PASS = 128;
/** What hashing a cell costs, in rows that a scan looks at. */
const HASHED_COST = 4;

/**
 * Memory: a block of each source.
 * @param asked the GC watermark to take it at; where deletions are missing up to a later one, it is that
 * @throws {Fault} `corrupt`: stored bytes are wrong.
 */
export async function digestOf(snapshot: Snapshot, asked: GcWatermark | null = null): Promise<PartitionDigest> {
  const gcWatermark = laterGcWatermark(asked, snapshot.purged);
  const turn = new Turn();
  const rowDigest = new RowDigest();
  const columnDigests: ColumnDigest[] = [];
  const kinds = snapshot.table === null ? [] : [...cellKinds(snapshot.table)];
  const all = kinds.filter(([id]) => snapshot.sources.some((source) => source.kinds.has(id)));
  const isShared = (id: number): boolean =>
    snapshot.sources.every((source) => !source.kinds.has(id) || source.shared.has(id));
  const shared = new SharedDigests(new Map(all.filter(([id]) => isShared(id))));
  const held = all.filter(([id]) => !isShared(id));
  for (let first = 0; first === 0 || first < held.length; first += COLUMNS_PER_PASS) {
    const columns = new Map(held.slice(first, first + COLUMNS_PER_PASS));
    const digests = [...columns].map(([id, kind]) => new ColumnDigest(id, kind));
    let number = 0;
    const want = { columns, ...(first === 0 ? { shared: shared.want } : {}), keys: true, stamps: true };
    await readPass(snapshot, want, async (rows, from, to) => {
      const told = numbered(rows, from, to, number, gcWatermark);
      number += told.count;
      if (first === 0) {
        rowDigest.add(rows, told);
        await turn.pass(shared.add(rows, told) * HASHED_COST);
      }
      for (const digest of digests) {
        digest.add(rows, told);
        await turn.pass((to - from) * HASHED_COST);
      }
    });
    columnDigests.push(...digests);
  }
  columnDigests.push(...shared.digests.values());
  columnDigests.sort((a, b) => a.id - b.id);
  return { ...finish(rowDigest, columnDigests), gcWatermark };
}

/** Rows `from … to` with the number each has; −1 for one that is not there at the GC watermark. */
type Numbered = {
  readonly from: number;
  readonly numbers: Float64Array;
  readonly count: number;
  readonly gcWatermark: GcWatermark | null;
};

function numbered(rows: Rows, from: number, to: number, first: number, gcWatermark: GcWatermark | null): Numbered {
  const numbers = new Float64Array(to - from);
  let count = 0;
  for (let row = from; row < to; row++) {
    const isThere = rows.isLive(row) || tombMsAt(rows, row, gcWatermark) !== NO_STAMP;
    numbers[row - from] = isThere ? first + count++ : -1;
  }
  return { from, numbers, count, gcWatermark };
}

/** NO_STAMP when the row has no tombstone, or none at the GC watermark. */
function tombMsAt({ tombMs, tombLow }: Rows, row: number, gcWatermark: GcWatermark | null): number {
  if (tombMs === null) return NO_STAMP;
  const isBeneath = gcWatermark !== null && isBelow(tombMs[row]!, tombLow![row]!, gcWatermark);
  return isBeneath ? NO_STAMP : tombMs[row]!;
}

async function readPass(
  snapshot: Snapshot,
  want: Want,
  take: (rows: Rows, from: number, to: number) => Promise<void>,
): Promise<void> {
  for await (const piece of mergeSources(snapshot.sources, { want, blockRows: snapshot.blockRows })) {
    const rows = piece.kind === 'rows' ? piece.rows : await piece.source.read(piece.block, want);
    const [from, to] = piece.kind === 'rows' ? [piece.from, piece.to] : [0, rows.rowCount];
    await take(rows, from, to);
    await nextTurn();
  }
}

function finish(rows: RowDigest, columns: readonly ColumnDigest[]): Omit<PartitionDigest, 'gcWatermark'> {
  const hash = rows.hash;
  for (const column of columns) {
    if (column.cellCount === 0) continue;
    const id = Buffer.alloc(4);
    id.writeUInt32LE(column.id);
    hash.update(id).update(column.digest());
  }
  const cells = columns.reduce((sum, column) => sum + column.valueCount, 0);
  return { rows: rows.liveCount, cells, tombstones: rows.tombstoneCount, hash: hash.digest('hex') };
}

class RowDigest {
  readonly hash = createHash('sha256');
  liveCount = 0;
  tombstoneCount = 0;
  readonly #writer = new ByteWriter();

  add(rows: Rows, { from, numbers, gcWatermark }: Numbered): void {
    const writer = this.#writer;
    for (let row = from; row < from + numbers.length; row++) {
      if (numbers[row - from] === -1) continue;
      const tombMs = tombMsAt(rows, row, gcWatermark);
      if (rows.isLive(row)) this.liveCount++;
      if (tombMs !== NO_STAMP) this.tombstoneCount++;
      writer.reserve(64 + rows.keys.lengths[row]!);
      writer.bytes(rows.keys, row);
      writer.stamp(rows.putMs[row]!, rows.putLow[row]!);
      writer.stamp(tombMs, tombMs === NO_STAMP ? 0 : rows.tombLow![row]!);
    }
    this.hash.update(writer.take());
  }
}

class ColumnDigest {
  readonly id: number;
  cellCount = 0;
  valueCount = 0;
  readonly #hash = createHash('sha256');
  /** A cell that stands among those of other columns, as its own kind. */
  readonly #one: ColumnVector;

  constructor(id: number, kind: Physical) {
    this.id = id;
    this.#one = new ColumnVector(kind);
  }

  add(rows: Rows, { from, numbers, gcWatermark }: Numbered): void {
    const cells = rows.columns.get(this.id);
    if (cells === undefined) return;
    const { presence } = cells.vector;
    for (let i = 0; i < numbers.length; i++) {
      const state = presence[from + i];
      if (state === CELL.absent || (state === CELL.deleted && isForgotten(rows, cells, from + i, gcWatermark)))
        continue;
      this.#addCell(
        cells.vector,
        from + i,
        numbers[i]!,
        (cells.ms ?? rows.putMs)[from + i]!,
        (cells.low ?? rows.putLow)[from + i]!,
      );
    }
    this.#hash.update(shared.take());
  }

  /** Cells `order[from … to)` of those of many columns: this one's, with the number of each cell's row. */
  addShared(cells: RowCells, order: Uint32Array, from: number, to: number, numberOf: Float64Array): void {
    const one = this.#one;
    const { presence, arena, starts, lengths } = cells.values;
    for (let i = from; i < to; i++) {
      const cell = order[i]!;
      one.arenaUsed = 0;
      if (presence[cell] === CELL.value) setFromCellBytes(one, 0, arena, starts[cell]!, lengths[cell]!);
      else one.setDeleted(0);
      this.#addCell(one, 0, numberOf[cell]!, cells.ms[cell]!, cells.low[cell]!);
    }
    this.#hash.update(shared.take());
  }

  digest(): Buffer {
    return this.#hash.digest();
  }

  #addCell(vector: ColumnVector, row: number, number: number, ms: number, low: number): void {
    this.cellCount++;
    shared.reserve(64 + (vector.kind === 'bytes' ? vector.lengths[row]! : 0));
    shared.u32(number);
    shared.u8(vector.presence[row]!);
    shared.stamp(ms, low);
    if (vector.presence[row] !== CELL.value) return;
    this.valueCount++;
    writeValue(shared, vector, row);
  }
}

/** Of columns whose cells are read row by row: each hash takes its own of a piece together. */
class SharedDigests {
  readonly want: SharedWant;
  readonly digests: ReadonlyMap<number, ColumnDigest>;

  constructor(want: SharedWant) {
    this.want = want;
    this.digests = new Map([...want].map(([id, kind]) => [id, new ColumnDigest(id, kind)]));
  }

  /** @returns how many cells it was */
  add(rows: Rows, { from, numbers, gcWatermark }: Numbered): number {
    const cells = rows.shared;
    if (cells === null) return 0;
    const numberOf = new Float64Array(cells.count);
    for (let row = from; row < from + numbers.length; row++) {
      numberOf.fill(numbers[row - from]!, cells.starts[row]!, cells.starts[row + 1]!);
    }
    let order = cells.byColumn(from, from + numbers.length);
    if (gcWatermark !== null) {
      order = order.filter((cell) => {
        const isDeleted = cells.values.presence[cell] === CELL.deleted;
        return !isDeleted || !isBelow(cells.ms[cell]!, cells.low[cell]!, gcWatermark);
      });
    }
    for (let at = 0; at < order.length; ) {
      const id = cells.columns[order[at]!]!;
      let end = at + 1;
      while (end < order.length && cells.columns[order[end]!] === id) end++;
      this.digests.get(id)!.addShared(cells, order, at, end, numberOf);
      at = end;
    }
    return order.length;
  }
}

function isForgotten(rows: Rows, { ms, low }: Cells, row: number, gcWatermark: GcWatermark | null): boolean {
  return gcWatermark !== null && isBelow((ms ?? rows.putMs)[row]!, (low ?? rows.putLow)[row]!, gcWatermark);
}

function writeValue(writer: ByteWriter, vector: ColumnVector, row: number): void {
  if (vector.kind === 'bytes') {
    writer.bytes(vector, row);
    return;
  }
  writer.u32(vector.kind === 'u8' ? 1 : 8);
  if (vector.kind === 'u8') writer.u8(vector.u8[row]!);
  else if (vector.kind === 'f64') writer.f64(vector.f64[row]!);
  else if (vector.kind === 'i64') writer.i64(vector.i64[row]!);
  else writer.whole(vector.kind === 'i32' ? vector.i32[row]! : vector.f64[row]!);
}

class ByteWriter {
  #bytes = Buffer.alloc(64 * 1024);
  #at = 0;

  /** What was written since the last time; valid until more is. */
  take(): Buffer {
    const taken = this.#bytes.subarray(0, this.#at);
    this.#at = 0;
    return taken;
  }

  reserve(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return;
    const larger = Buffer.alloc(Math.max(this.#at + bytes, this.#bytes.length * 2));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
  }

  u8(value: number): void {
    this.#bytes[this.#at++] = value;
  }

  u32(value: number): void {
    this.#at = this.#bytes.writeUInt32LE(value, this.#at);
  }

  f64(value: number): void {
    this.#at = this.#bytes.writeDoubleLE(value, this.#at);
  }

  i64(value: bigint): void {
    this.#at = this.#bytes.writeBigInt64LE(value, this.#at);
  }

  /** A whole number as an i64, without a bigint. */
  whole(value: number): void {
    const high = Math.floor(value / 4_294_967_296);
    this.u32(value - high * 4_294_967_296);
    this.#at = this.#bytes.writeInt32LE(high, this.#at);
  }

  stamp(ms: number, low: number): void {
    this.f64(ms);
    this.f64(low);
  }

  /** u32 length, then the bytes of a row. */
  bytes(vector: ColumnVector, row: number): void {
    const start = vector.starts[row]!;
    const length = vector.lengths[row]!;
    this.u32(length);
    this.#at += vector.arena.copy(this.#bytes, this.#at, start, start + length);
  }
}

/** One for all columns: what it holds is taken before another column writes. */
const shared = new ByteWriter();
