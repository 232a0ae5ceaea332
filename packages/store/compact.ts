/**
 * Which segments to merge: size-tiered. Segments whose sizes are within a factor of four form a tier; a tier with four
 * becomes one segment of the next. So there are at most three a tier at rest, O(log n) in all, and each byte is written
 * about once a tier. Merging is a join, so any set of segments may be merged, whatever their age.
 */

const TIER_FACTOR = 4;
const TIER_SEGMENTS = 4;
/** Everything below counts as the lowest tier. */
const TIER_BYTES_MIN = 1024 * 1024;

/** Indexes of the segments to merge next, of the lowest tier that is full; empty when all is well. */
export function pickCompaction(segmentBytes: readonly number[]): number[] {
  const tiers = new Map<number, number[]>();
  segmentBytes.forEach((bytes, index) => {
    const tier = tierOf(bytes);
    tiers.set(tier, [...(tiers.get(tier) ?? []), index]);
  });
  const full = [...tiers.entries()].filter(([, members]) => members.length >= TIER_SEGMENTS);
  if (full.length === 0) return [];
  return full.reduce((lowest, entry) => (entry[0] < lowest[0] ? entry : lowest))[1];
}

/** The tier a segment of that size belongs to, 0 the lowest. */
export function tierOf(bytes: number): number {
  return bytes <= TIER_BYTES_MIN ? 0 : Math.floor(Math.log(bytes / TIER_BYTES_MIN) / Math.log(TIER_FACTOR)) + 1;
}
