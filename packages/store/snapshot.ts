/** A partition as it was at one moment, for reading: its segments stay on disk until the snapshot is released. */

import type { Position } from '@tidemark/model/position';
import type { Table } from '@tidemark/model/table';
import type { GcWatermark } from './gc-watermark.ts';
import type { MemtableSource } from './memtable/memtable-source.ts';
import type { Source } from './row/source.ts';
import type { LiveSegment } from './segment/live-segment.ts';

/** What a reader holds; to be released when it is done. */
export type Snapshot = {
  /** Null when the partition was never given a schema; it then has no rows. */
  readonly table: Table | null;
  /** Per origin: everything up to there is in it, and nothing beyond. */
  readonly positions: ReadonlyMap<string, Position>;
  /** All of them, segments and memtables: merged, they are the rows. A scan takes them apart instead: `scan-part.ts`. */
  readonly sources: readonly Source[];
  readonly segments: readonly LiveSegment[];
  readonly memtables: readonly MemtableSource[];
  /** Deletions with smaller stamps may be missing in the segments; null: none is. */
  readonly purged: GcWatermark | null;
  /** Rows of a merged piece at most. */
  readonly blockRows: number;
  /** Lets the segments go; once. */
  readonly release: () => void;
};
