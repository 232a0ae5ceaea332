/** What a range read is asked for, and what it gives. */

import type { Value } from '@tidemark/model/column-type';
import type { Column } from '@tidemark/model/table';
import type { KeyBounds, KeyOrder } from '../key/key-order.ts';

/** Which keys, and which way they are gone through. */
export type RangeBounds = KeyBounds & { readonly direction: KeyOrder };

/** Values of a row, in the order of the columns that were asked for; null where it has none. */
export type RowValues = (Value | null)[];

/** One page of a range. */
export type RangeWish = {
  readonly bounds: RangeBounds;
  /** What rows are made of. */
  readonly columns: readonly Column[];
  /** Rows at most; at least 1. */
  readonly limit: number;
  /** A page ends behind the row with which its texts and bytes reach so many; Infinity: it does not. */
  readonly bytesMax: number;
  /** Rows that do not pass are left out; null: all pass. */
  readonly passes: ((row: RowValues) => boolean) | null;
};

/** Rows of a range in its order. */
export type RangePage = {
  readonly rows: RowValues[];
  /** The range goes on behind this key; null when there is no more of it. */
  readonly after: Uint8Array | null;
  /** Rows looked at. */
  readonly scanned: number;
  /** Of the texts and bytes in the rows; 0 where nobody asked for less than all. */
  readonly bytes: number;
  /** True when it ends because many rows were looked at, not because its rows or bytes are enough. */
  readonly isUnfinished: boolean;
};
