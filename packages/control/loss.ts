/**
 * Where a reign ends when an operator accepts a loss, and how large the loss may be (protocol E5, E11). Pure.
 */

import type { CutAt, LossRule } from './register-value.ts';

/** A BARRIER of the closing reign that was received, in partition 0. */
export type ReceivedBarrier = {
  readonly seq: number;
  /** By partition: what had been written when it was; in partition 0 the record before it. */
  readonly heads: readonly number[];
};

/**
 * The seqs a reign is cut at with a loss. `received`: all that was received. `consistent`: back to the newest barrier
 * of which everything was received, so that no partition holds what another's missing record came before; −1
 * everywhere when there is none. Whoever asks reads the chains at these seqs.
 *
 * @param received by partition, the longest head among the answers
 */
export function lossySeqs(
  mode: LossRule['mode'],
  received: readonly CutAt[],
  barriers: readonly ReceivedBarrier[],
): readonly number[] {
  const seqs = received.map((cut) => cut.seq);
  if (mode === 'received') return seqs;
  const whole = barriers.filter(({ seq, heads }) => seqsOf(seq, heads).every((s, p) => s <= (seqs[p] ?? -1)));
  const newest = whole.reduce<ReceivedBarrier | null>((a, b) => (a === null || b.seq > a.seq ? b : a), null);
  return newest === null ? seqs.map(() => -1) : seqsOf(newest.seq, newest.heads);
}

function seqsOf(seq: number, heads: readonly number[]): readonly number[] {
  return heads.map((head, partition) => (partition === 0 ? seq : head));
}

/** What was last heard of the lost primary, from its barriers and heartbeats. */
export type LastHeard = {
  /** By partition: the highest seq it was known to have written; −1 for none. */
  readonly heads: readonly number[];
  readonly rowsPerRecord: number;
  /** Its rate when it was last heard. */
  readonly rowsPerSecond: number;
  /** How long it may have gone on unheard: until it was fenced, its lease ran out, or now. */
  readonly unheardMs: number;
};

/** Records and rows that are known to exist and are not in the cut, and rows that may exist beside them. */
export type LossEstimate = { readonly records: number; readonly rows: number; readonly unheardRows: number };

/** E5: the loss as estimated before it is accepted; the total to hold against `rowsMax` is `rows + unheardRows`. */
export function estimateLoss(seqs: readonly number[], heard: LastHeard): LossEstimate {
  const records = heard.heads.reduce((sum, head, partition) => sum + Math.max(0, head - (seqs[partition] ?? -1)), 0);
  return {
    records,
    rows: Math.ceil(records * heard.rowsPerRecord),
    unheardRows: Math.ceil((heard.rowsPerSecond * heard.unheardMs) / 1_000),
  };
}
