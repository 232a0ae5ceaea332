/** What can be set about a store, and what it is when nobody says. */

import type { Table } from '@tidemark/model/table';
import { BLOCK_ROWS_MAX } from './encoding/block-encoding.ts';
import type { ZstdChoice } from './encoding/compression.ts';
import type { CompactionExecutor } from './merge/compaction-executor.ts';
import { BlockCache } from './segment/block-cache.ts';

/** All may be left out. */
export type StoreOptions = {
  /** A flush is due once memtables hold this much memory. */
  readonly memtableBytesMax?: number;
  /** Rows in a block of a segment, 1–65,536: larger blocks compress better, smaller ones make point reads cheaper. */
  readonly blockRows?: number;
  /** Blocks read lately; partitions may share one. When left out, it is the one of the process. */
  readonly cache?: BlockCache;
  /** False: segments are merged only by `compact()`. */
  readonly compaction?: boolean;
  /** Who merges; null: the thread itself, on the store's disk. Partitions share one. */
  readonly compactionExecutor?: CompactionExecutor | null;
  /** Which blocks are compressed with zstd: of all columns, or by their names. */
  readonly zstd?: ZstdChoice;
};

/** Memory that blocks read lately may take, of all partitions of a process. */
/** Blocks that a process keeps unpacked. */
export const CACHE_BYTES_MAX = 256 * 1024 * 1024;

/** In bytes and rows. */
export const DEFAULTS = {
  memtableBytesMax: 64 * 1024 * 1024,
  blockRows: BLOCK_ROWS_MAX,
  cache: new BlockCache(CACHE_BYTES_MAX),
  compaction: true,
  compactionExecutor: null,
  zstd: 'merged',
} as const;
/** Cells in a block at most: tables of very many columns have blocks of fewer rows, so that one fits in memory. */
const BLOCK_CELLS_MAX = 16 * 1024 * 1024;
const BLOCK_ROWS_MIN = 256;

/** Rows in a block of that table. */
export function blockRowsFor(table: Table | null, options: { readonly blockRows: number }): number {
  const most = Math.max(BLOCK_ROWS_MIN, Math.floor(BLOCK_CELLS_MAX / (table?.columns.length ?? 1)));
  return Math.min(options.blockRows, most);
}
