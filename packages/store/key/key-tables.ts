/** The key tables of a segment's blocks: each made once so many keys were looked for in its block, and held for a while. */

import type { Chunk } from '../encoding/chunk.ts';
import { type BlockCache, CacheSlot } from '../segment/block-cache.ts';
import { hashesOfColumns } from './key-hash.ts';
import { KeyTable } from './key-table.ts';

/** A table costs about 50 ns a row: one look in a block for so many of its rows, and it adds at most 25 µs to each of them. */
const ROWS_A_LOOK = 512;
const NEVER = 0xffff;

/** The key tables of one segment; the block cache may drop any of them. */
export class KeyTables {
  readonly #cache: BlockCache;
  readonly #slots: readonly CacheSlot<KeyTable>[];
  /** Looks into each block since it last had no table; NEVER where none can be made. */
  readonly #looks: Uint16Array;

  constructor(cache: BlockCache, blockCount: number) {
    this.#cache = cache;
    this.#slots = Array.from({ length: blockCount }, () => new CacheSlot<KeyTable>());
    this.#looks = new Uint16Array(blockCount);
  }

  /** The table of a block; null while a search has to do. */
  held(block: number): KeyTable | null {
    const slot = this.#slots[block]!;
    if (slot.block !== null) slot.isUsed = true;
    return slot.block;
  }

  /** Notes a search in a block that has no table and these key columns; makes the table when it is due. */
  noteSearch(block: number, columns: readonly Chunk[], rowCount: number): void {
    const looks = this.#looks;
    if (looks[block] === NEVER || ++looks[block]! * ROWS_A_LOOK < rowCount) return;
    const table = KeyTable.of(columns, hashesOfColumns(columns, rowCount));
    looks[block] = table === null ? NEVER : 0;
    if (table !== null) this.#cache.hold(this.#slots[block]!, table);
  }
}
