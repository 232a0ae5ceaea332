/**
 * A fingerprint of a partition's content, the same however it is laid out in segments. SHA-256 over the rows in key
 * order, little-endian:
 *
 *   row   u32 key length, key, stamp of the put (none: ms −1, low 0), stamp of the tombstone (same), u32 cells, cells
 *   cell  u32 column id, u8 state (1 value, 2 deleted), stamp, and for a value u32 length, bytes
 *   stamp f64 ms, f64 low (counter × 2^32 + site × 2^24 + writer)
 *
 * A value's bytes: boolean u8, double f64, string and bytes themselves, every other type i64. Dropped columns are left out.
 */

import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { CELL, type ColumnVector } from '@tidemark/schema/column-vector';
import { cellKinds } from './memtable-source.ts';
import { mergeSources } from './merge.ts';
import { type Cells, NO_STAMP, type Rows, type Want } from './rows.ts';
import type { Snapshot } from './snapshot.ts';

export type PartitionDigest = {
  /** Live rows. */
  readonly rows: number;
  /** Cells that hold a value. */
  readonly cells: number;
  /** Rows that carry a tombstone, live again or not. */
  readonly tombstones: number;
  /** SHA-256 in hex. */
  readonly hash: string;
};

/** Reads everything once. Memory: a block of each source. @throws {Fault} `corrupt`: stored bytes are wrong. */
export async function digestOf(snapshot: Snapshot): Promise<PartitionDigest> {
  const hash = createHash('sha256');
  const count = { rows: 0, cells: 0, tombstones: 0 };
  if (snapshot.table !== null) {
    const columns = new Map([...cellKinds(snapshot.table)].sort((a, b) => a[0] - b[0]));
    const want: Want = { columns, keys: true, stamps: true };
    const writer = new CanonicalWriter();
    for await (const piece of mergeSources(snapshot.sources, { want, blockRows: snapshot.blockRows })) {
      const rows = piece.kind === 'rows' ? piece.rows : await piece.source.read(piece.block, want);
      const [from, to] = piece.kind === 'rows' ? [piece.from, piece.to] : [0, rows.rowCount];
      const cells = [...columns.keys()].flatMap((id) => {
        const held = rows.columns.get(id);
        return held === undefined ? [] : [[id, held] as const];
      });
      for (let row = from; row < to; row++) {
        if (rows.isLive(row)) count.rows++;
        if (rows.tombMs !== null && rows.tombMs[row] !== NO_STAMP) count.tombstones++;
        count.cells += writer.addRow(rows, row, cells);
        if (writer.isFull) hash.update(writer.take());
      }
      hash.update(writer.take());
      await setImmediate();
    }
  }
  return { ...count, hash: hash.digest('hex') };
}

const FULL_BYTES = 256 * 1024;

class CanonicalWriter {
  #bytes = Buffer.alloc(FULL_BYTES * 2);
  #at = 0;

  get isFull(): boolean {
    return this.#at >= FULL_BYTES;
  }

  /** What was written since the last time; valid until the next row is added. */
  take(): Buffer {
    const taken = this.#bytes.subarray(0, this.#at);
    this.#at = 0;
    return taken;
  }

  /** @returns how many of the row's cells hold a value. */
  addRow(rows: Rows, row: number, columns: readonly (readonly [number, Cells])[]): number {
    const length = rows.keys.lengths[row]!;
    this.#reserve(length + 64);
    this.#u32(length);
    this.#copy(rows.keys, row, length);
    this.#stamp(rows.putMs[row]!, rows.putLow[row]!);
    this.#stamp(rows.tombMs === null ? NO_STAMP : rows.tombMs[row]!, rows.tombLow === null ? 0 : rows.tombLow[row]!);
    const countAt = this.#at;
    this.#u32(0);
    let cellCount = 0;
    let valueCount = 0;
    for (const [id, { vector, ms, low }] of columns) {
      const state = vector.presence[row]!;
      if (state === CELL.absent) continue;
      cellCount++;
      this.#reserve(64 + (vector.kind === 'bytes' ? vector.lengths[row]! : 0));
      this.#u32(id);
      this.#bytes[this.#at++] = state;
      this.#stamp((ms ?? rows.putMs)[row]!, (low ?? rows.putLow)[row]!);
      if (state !== CELL.value) continue;
      valueCount++;
      this.#value(vector, row);
    }
    this.#bytes.writeUInt32LE(cellCount, countAt);
    return valueCount;
  }

  #value(vector: ColumnVector, row: number): void {
    if (vector.kind === 'bytes') {
      this.#u32(vector.lengths[row]!);
      this.#copy(vector, row, vector.lengths[row]!);
    } else if (vector.kind === 'u8') {
      this.#u32(1);
      this.#bytes[this.#at++] = vector.u8[row]!;
    } else {
      this.#u32(8);
      if (vector.kind === 'f64') this.#at = this.#bytes.writeDoubleLE(vector.f64[row]!, this.#at);
      else if (vector.kind === 'i64') this.#at = this.#bytes.writeBigInt64LE(vector.i64[row]!, this.#at);
      else this.#whole(vector.kind === 'i32' ? vector.i32[row]! : vector.f64[row]!);
    }
  }

  #whole(value: number): void {
    const high = Math.floor(value / 4_294_967_296);
    this.#u32(value - high * 4_294_967_296);
    this.#at = this.#bytes.writeInt32LE(high, this.#at);
  }

  #stamp(ms: number, low: number): void {
    this.#at = this.#bytes.writeDoubleLE(ms, this.#at);
    this.#at = this.#bytes.writeDoubleLE(low, this.#at);
  }

  #u32(value: number): void {
    this.#at = this.#bytes.writeUInt32LE(value, this.#at);
  }

  #copy(vector: ColumnVector, row: number, length: number): void {
    const start = vector.starts[row]!;
    vector.arena.copy(this.#bytes, this.#at, start, start + length);
    this.#at += length;
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return;
    const larger = Buffer.alloc(Math.max(this.#at + bytes, this.#bytes.length * 2));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
  }
}
