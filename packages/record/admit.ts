/**
 * The one decision every reader of a log or mirror partition makes about every record: writer, mirror and applier
 * share it (protocol rule 3). Pure: (prefix, bytes) → verdict and the log head after it.
 */

import { comparePositions, formatPosition } from '@tidemark/model/position';
import { isFault } from '@tidemark/platform/fault';
import { type Envelope, type EpochStartBody, isLocal, NO_CHAIN, type Unsealed } from './envelope.ts';
import { isSuccessor } from './log-identity.ts';
import { chainFollows, epochSeed, type OpenedRecord, openRecord } from './seal.ts';

/** Chains of how many records before the head are remembered, to tell a repeat from a forgery. */
const REMEMBERED_MAX = 32;

/** Whose partition is being read. */
export type PartitionName = {
  readonly cluster: string;
  readonly keyspace: string;
  readonly origin: string;
  readonly partition: number;
};

/** What has been accepted of a partition so far. JSON-safe, so that it can be a checkpoint. */
export type LogHead = PartitionName & {
  /** Epoch and seq of the last accepted record; epoch 0 and seq −1 before the first. */
  readonly epoch: number;
  readonly seq: number;
  readonly chain: string;
  /** Epochs below this were fenced by a FENCE read so far in this topic partition; 0 for none. */
  readonly fencedBelow: number;
  /** Identity of the topic, from its GENESIS; empty until it was read. */
  readonly logId: string;
  /** Chains of the last accepted records, newest last, all of `epoch`. */
  readonly remembered: readonly string[];
};

/**
 * What a record is to the reader, with the log head after it; only ACCEPT and LOCAL change the head (protocol rule 3).
 */
export type Verdict =
  /** The next record of the sequence. `ackable`: no fence above its epoch stands before it in this partition. */
  | { readonly kind: 'ACCEPT'; readonly envelope: Envelope; readonly logHead: LogHead; readonly ackable: boolean }
  /** GENESIS or FENCE: of this topic only, no position. */
  | { readonly kind: 'LOCAL'; readonly envelope: Envelope; readonly logHead: LogHead }
  /** Seen before; harmless. */
  | { readonly kind: 'DUPLICATE'; readonly envelope: Envelope; readonly logHead: LogHead }
  /** Does not count. `alarm`: it should not be here at all (as opposed to being early). */
  | { readonly kind: 'IGNORE'; readonly reason: string; readonly alarm: boolean; readonly logHead: LogHead }
  /** Two different records under one position: an invariant is broken, the reader must stop. */
  | { readonly kind: 'HALT'; readonly reason: string; readonly logHead: LogHead };

/** Nothing read yet. */
export function emptyLogHead(name: PartitionName): LogHead {
  const { cluster, keyspace, origin, partition } = name;
  return {
    cluster,
    keyspace,
    origin,
    partition,
    epoch: 0,
    seq: -1,
    chain: NO_CHAIN,
    fencedBelow: 0,
    logId: '',
    remembered: [],
  };
}

/** Decides what a record is to someone who has accepted `prefix`. */
export function accept(logHead: LogHead, value: Uint8Array): Verdict {
  let opened: OpenedRecord;
  try {
    opened = openRecord(value);
  } catch (error) {
    if (isFault(error, 'corrupt')) return ignore(logHead, error.message, true);
    throw error;
  }
  const { envelope } = opened;
  return decide(logHead, envelope, (previous) => chainFollows(opened, previous ?? epochSeed(startOf(envelope))));
}

/** Whether a record's chain follows from the one given; null: from the seed that its own EPOCH_START makes. */
export type Follows = (previousChain: string | null) => boolean;

/** The decision itself, on the fields of a record whose checksum is right; hashing is left to `follows`. */
export function decide(logHead: LogHead, envelope: Envelope, follows: Follows): Verdict {
  const stranger = strangeness(logHead, envelope);
  if (stranger !== null) return ignore(logHead, stranger, true);
  if (isLocal(envelope.body)) return local(logHead, envelope, follows);
  if (envelope.epoch === logHead.epoch) return sameEpoch(logHead, envelope, follows);
  if (envelope.epoch < logHead.epoch) return { kind: 'DUPLICATE', envelope, logHead };
  return newEpoch(logHead, envelope, follows);
}

/** Why the record is not of this partition at all; null when it is. */
function strangeness(logHead: LogHead, envelope: Envelope): string | null {
  for (const field of ['cluster', 'keyspace', 'origin', 'partition'] as const) {
    if (envelope[field] !== logHead[field]) return `${field} ${envelope[field]}, expected ${logHead[field]}`;
  }
  return null;
}

function local(logHead: LogHead, envelope: Envelope, follows: Follows): Verdict {
  if (!follows(NO_CHAIN)) return ignore(logHead, 'chain of a local record is wrong', true);
  if (envelope.body.kind === 'Genesis') {
    const { logId } = envelope.body;
    if (logHead.logId !== '' && logHead.logId !== logId && !isSuccessor(logHead.logId, logId)) {
      return { kind: 'HALT', reason: `log identity ${logId}, expected ${logHead.logId}`, logHead };
    }
    return { kind: 'LOCAL', envelope, logHead: { ...logHead, logId } };
  }
  const by = envelope.body.kind === 'Fence' ? envelope.body.by : 0;
  return { kind: 'LOCAL', envelope, logHead: { ...logHead, fencedBelow: Math.max(logHead.fencedBelow, by) } };
}

function sameEpoch(logHead: LogHead, envelope: Envelope, follows: Follows): Verdict {
  if (envelope.seq <= logHead.seq) {
    const known = logHead.remembered.at(envelope.seq - logHead.seq - 1);
    if (known === undefined || known === envelope.chain) return { kind: 'DUPLICATE', envelope, logHead };
    const reason = `two records at ${formatPosition(envelope)}: chain ${envelope.chain}, known ${known}`;
    // Only one that follows what stands before it belongs to a history; anything else is a stranger's.
    return followsIn(logHead, envelope, follows) ? { kind: 'HALT', reason, logHead } : ignore(logHead, reason, true);
  }
  if (envelope.seq > logHead.seq + 1) {
    return ignore(logHead, `gap: ${formatPosition(envelope)} after ${formatPosition(logHead)}`, false);
  }
  if (!follows(logHead.chain)) {
    return ignore(logHead, `chain of ${formatPosition(envelope)} does not follow ${formatPosition(logHead)}`, true);
  }
  return accepted(logHead, envelope, [...logHead.remembered.slice(1 - REMEMBERED_MAX), envelope.chain]);
}

/** Whether a record at or below the head follows the accepted record before it, as far back as those are remembered. */
function followsIn(logHead: LogHead, envelope: Envelope, follows: Follows): boolean {
  if (envelope.seq === 0) return envelope.body.kind === 'EpochStart' && follows(null);
  const before = logHead.remembered.at(envelope.seq - logHead.seq - 2);
  return before !== undefined && follows(before);
}

/**
 * A later epoch begins with its EPOCH_START, and only where the last epoch of its origin that left a record has ended as
 * that says: over a hole it would be a promise of what is missing, and what fills the hole a repeat for ever. An epoch in
 * between left nothing that counts, and what stands here of it began behind that same end.
 */
function newEpoch(logHead: LogHead, envelope: Envelope, follows: Follows): Verdict {
  if (envelope.body.kind !== 'EpochStart' || envelope.seq !== 0) {
    return ignore(logHead, `gap: ${formatPosition(envelope)} before the start of its epoch`, false);
  }
  if (!follows(null)) {
    return ignore(logHead, `chain of ${formatPosition(envelope)} does not follow its epoch end`, true);
  }
  const { ownEpoch, ownEndSeq, ownEndChain } = startOf(envelope).body;
  const end = { epoch: ownEpoch, seq: ownEndSeq };
  if (ownEpoch > 0 && comparePositions(logHead, end) < 0) {
    const reason = `gap: epoch ${envelope.epoch} follows the epoch end ${formatPosition(end)}, at ${formatPosition(logHead)}`;
    return ignore(logHead, reason, false);
  }
  if (ownEpoch === logHead.epoch && ownEpoch > 0) {
    const known = logHead.remembered.at(ownEndSeq - logHead.seq - 1);
    if (known !== undefined && known !== Buffer.from(ownEndChain).toString('hex')) {
      return {
        kind: 'HALT',
        reason: `the end of epoch ${logHead.epoch} has another chain than its record here`,
        logHead,
      };
    }
  }
  return accepted(logHead, envelope, [envelope.chain]);
}

function startOf(envelope: Envelope): Unsealed & { readonly body: EpochStartBody } {
  return envelope as Unsealed & { readonly body: EpochStartBody };
}

function accepted(logHead: LogHead, envelope: Envelope, remembered: readonly string[]): Verdict {
  const { epoch, seq, chain } = envelope;
  return {
    kind: 'ACCEPT',
    envelope,
    logHead: { ...logHead, epoch, seq, chain, remembered },
    ackable: logHead.fencedBelow <= epoch,
  };
}

function ignore(logHead: LogHead, reason: string, alarm: boolean): Verdict {
  return { kind: 'IGNORE', reason, alarm, logHead };
}
