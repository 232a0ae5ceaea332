/** What a merge reads from: rows in key order, in blocks. A segment on disk or a frozen memtable. */

import type { Physical } from '@tidemark/model/column-type';
import type { Zone } from '../encoding/zone.ts';
import type { Rows, Want } from './rows.ts';

/** A block's place in the key order; both ends are keys in it. */
export type BlockRange = { readonly first: Uint8Array; readonly last: Uint8Array; readonly rowCount: number };

/** Rows with unique ascending keys, which do not change while they are read. */
export interface Source {
  /** In key order, none overlapping another. */
  readonly blocks: readonly BlockRange[];
  /** Columns it holds cells of, with the kind they are held in. Key columns are not among them. */
  readonly kinds: ReadonlyMap<number, Physical>;
  /** Those of these columns that it can give row by row, with about the bytes that their cells take. */
  readonly shared: ReadonlyMap<number, number>;
  /** What is known about a column's values in a block without reading it; null when nothing is. Key columns too. */
  zone(block: number, column: number): Promise<Zone | null>;
  /** False when every row of the block is live. */
  hasDead(block: number): Promise<boolean>;
  /**
   * @param spare rows that an earlier call gave and nobody needs any more: their memory may be used again
   * @throws {Fault} `corrupt`: stored bytes are wrong; names file, block and both sums.
   */
  read(block: number, want: Want, spare?: Rows | null): Promise<Rows>;
  /** Key columns of a block by column id, when it has them apart from the keys; else null. */
  readKeyColumns(block: number, columns: ReadonlyMap<number, Physical>): Promise<Rows | null>;
}
