/** A segment as one generation of the manifest sees it. */

import type { DeletionVector } from './deletion-vector.ts';
import type { DeletionVectorFile } from './manifest.ts';
import type { Segment } from './segment.ts';

/** A segment with its deletion vector at that generation; a later flush makes another one of it. */
export type LiveSegment = {
  readonly segment: Segment;
  /** Null: all of its rows are live. */
  readonly live: DeletionVector | null;
  /** What was found wrong with it; null when nothing was. A damaged one is left as it is, and read by merging. */
  readonly damage: string | null;
};

/** How a manifest names the bits of a segment it has them of. */
export type NamedDeletionVector = { readonly live: DeletionVector; readonly file: DeletionVectorFile };
