/** What a segment is to be made of. */

import type { Table } from '@tidemark/model/table';
import type { Disk } from '@tidemark/platform/disk';
import type { CompressionOf } from '../encoding/compression.ts';
import type { Source } from '../row/source.ts';

/** What is to be written, where and how. */
export type SegmentPlan = {
  readonly disk: Disk;
  /** The partition's folder. */
  readonly folder: string;
  /** The segment's folder in it. */
  readonly name: string;
  readonly table: Table;
  readonly sources: readonly Source[];
  readonly blockRows: number;
  /** Whether it gets a filter of its keys. */
  readonly isFiltered: boolean;
  readonly compressionOf: CompressionOf;
  /** Called between the columns of each block, so that others have their turn; throws to give up. */
  readonly pause: () => Promise<void>;
};
