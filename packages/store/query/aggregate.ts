/** What an aggregate is asked: rows in, with their groups, and a result for each group. Cells without a value count for nothing. */

import type { Value } from '@tidemark/model/column-type';
import type { Chunk } from '../encoding/chunk.ts';
import type { Turn } from '../row/turn.ts';

/** The groups of some rows: per row a number, or one for all. */
export type GroupNumbers = Uint32Array | number;

/** Chosen rows of a block, in stretches of neighbours that are of one group; rows between may be not chosen. */
export type Stretches = {
  /** Row numbers: from each start up to, not including, its end. */
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
  readonly groups: Uint32Array;
  /** Rows chosen in each, at least one. */
  readonly counts: Uint32Array;
};

/** Chosen rows of a block that has a code for each, and a group for each code. */
export type Coded = {
  readonly codes: Uint8Array | Uint16Array;
  /** Per code. A code of which no row is chosen may have any group. */
  readonly groups: Uint32Array;
  /** Rows chosen per code. */
  readonly counts: Uint32Array;
};

/** One aggregate of a scan, for all of its groups by their numbers. */
export interface Aggregate {
  /** Takes rows, and their groups. No column: none of them has a cell. */
  add(rows: Uint32Array, groups: GroupNumbers, column: Chunk | undefined): void;
  /** What a row costs, where that is more than a few comparisons. */
  readonly rowCost?: number;
  /** What a new group costs beside, likewise. */
  readonly groupCost?: number;
  /** Bytes it holds beside a little for each group, estimated. */
  readonly heldBytes?: number;
  /** True when it can add such a column's rows by stretches and by codes. */
  takesStretches?(column: Chunk | undefined): boolean;
  /** Takes the rows that the mask kernels have chosen. */
  addStretches?(stretches: Stretches, column: Chunk | undefined): void;
  addCoded?(coded: Coded, column: Chunk | undefined): void;
  /** Where a result takes work: brings it about, with turns for others. To be called once all rows are taken, before `result`. */
  settle?(group: number, turn: Turn): Promise<void> | void;
  /** The result for a group; null when it had no value (0 for a count). */
  result(group: number): Value | null;
}
