/** How far a partition is committed (protocol rule 13). Pure. */

/**
 * The highest seq that is in the origin's own log and at `k` other sites.
 *
 * @param own highest ackable seq in the origin's own log, −1 for none
 * @param durable highest ackable seq of the same epoch at each of the other sites, −1 for none
 * @param k sites beside the origin that must hold a record; with fewer sites than that nothing is committed
 */
export function committedSeq(own: number, durable: readonly number[], k: number): number {
  if (k === 0) return own;
  if (durable.length < k) return -1;
  const kth = [...durable].sort((a, b) => b - a)[k - 1]!;
  return Math.min(own, kth);
}
