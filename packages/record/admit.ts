/**
 * The one decision every reader of a log or mirror partition makes about every record: writer, mirror and applier
 * share it (protocol rule 3). Pure: (prefix, bytes) → verdict and the prefix after it.
 */

import { comparePositions, formatPosition } from '@tidemark/model/position';
import { isFault } from '@tidemark/platform/fault';
import {
  chainFollows,
  type Envelope,
  type EpochStartBody,
  epochSeed,
  isLocal,
  NO_CHAIN,
  type OpenedRecord,
  openRecord,
  type Unsealed,
} from './envelope.ts';
import { isSuccessor } from './log-identity.ts';

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
export type Prefix = PartitionName & {
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

export type Verdict =
  /** The next record of the sequence. `ackable`: no fence above its epoch stands before it in this partition. */
  | { readonly kind: 'ACCEPT'; readonly envelope: Envelope; readonly prefix: Prefix; readonly ackable: boolean }
  /** GENESIS or FENCE: of this topic only, no position. */
  | { readonly kind: 'LOCAL'; readonly envelope: Envelope; readonly prefix: Prefix }
  /** Seen before; harmless. */
  | { readonly kind: 'DUPLICATE'; readonly envelope: Envelope; readonly prefix: Prefix }
  /** Does not count. `alarm`: it should not be here at all (as opposed to being early). */
  | { readonly kind: 'IGNORE'; readonly reason: string; readonly alarm: boolean; readonly prefix: Prefix }
  /** Two different records under one position: an invariant is broken, the reader must stop. */
  | { readonly kind: 'HALT'; readonly reason: string; readonly prefix: Prefix };

/** Nothing read yet. */
export function emptyPrefix(name: PartitionName): Prefix {
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
export function accept(prefix: Prefix, value: Uint8Array): Verdict {
  let opened: OpenedRecord;
  try {
    opened = openRecord(value);
  } catch (error) {
    if (isFault(error, 'corrupt')) return ignore(prefix, error.message, true);
    throw error;
  }
  const { envelope } = opened;
  return decide(prefix, envelope, (previous) => chainFollows(opened, previous ?? epochSeed(startOf(envelope))));
}

/** Whether a record's chain follows from the one given; null: from the seed that its own EPOCH_START makes. */
export type Follows = (previousChain: string | null) => boolean;

/** The decision itself, on the fields of a record whose checksum is right; hashing is left to `follows`. */
export function decide(prefix: Prefix, envelope: Envelope, follows: Follows): Verdict {
  const stranger = strangeness(prefix, envelope);
  if (stranger !== null) return ignore(prefix, stranger, true);
  if (isLocal(envelope.body)) return local(prefix, envelope, follows);
  if (envelope.epoch === prefix.epoch) return sameEpoch(prefix, envelope, follows);
  if (envelope.epoch < prefix.epoch) return { kind: 'DUPLICATE', envelope, prefix };
  return newEpoch(prefix, envelope, follows);
}

/** Why the record is not of this partition at all; null when it is. */
function strangeness(prefix: Prefix, envelope: Envelope): string | null {
  for (const field of ['cluster', 'keyspace', 'origin', 'partition'] as const) {
    if (envelope[field] !== prefix[field]) return `${field} ${envelope[field]}, expected ${prefix[field]}`;
  }
  return null;
}

function local(prefix: Prefix, envelope: Envelope, follows: Follows): Verdict {
  if (!follows(NO_CHAIN)) return ignore(prefix, 'chain of a local record is wrong', true);
  if (envelope.body.kind === 'Genesis') {
    const { logId } = envelope.body;
    if (prefix.logId !== '' && prefix.logId !== logId && !isSuccessor(prefix.logId, logId)) {
      return { kind: 'HALT', reason: `log identity ${logId}, expected ${prefix.logId}`, prefix };
    }
    return { kind: 'LOCAL', envelope, prefix: { ...prefix, logId } };
  }
  const by = envelope.body.kind === 'Fence' ? envelope.body.by : 0;
  return { kind: 'LOCAL', envelope, prefix: { ...prefix, fencedBelow: Math.max(prefix.fencedBelow, by) } };
}

function sameEpoch(prefix: Prefix, envelope: Envelope, follows: Follows): Verdict {
  if (envelope.seq <= prefix.seq) {
    const known = prefix.remembered.at(envelope.seq - prefix.seq - 1);
    if (known === undefined || known === envelope.chain) return { kind: 'DUPLICATE', envelope, prefix };
    const reason = `two records at ${formatPosition(envelope)}: chain ${envelope.chain}, known ${known}`;
    // Only one that follows what stands before it belongs to a history; anything else is a stranger's.
    return followsIn(prefix, envelope, follows) ? { kind: 'HALT', reason, prefix } : ignore(prefix, reason, true);
  }
  if (envelope.seq > prefix.seq + 1) {
    return ignore(prefix, `gap: ${formatPosition(envelope)} after ${formatPosition(prefix)}`, false);
  }
  if (!follows(prefix.chain)) {
    return ignore(prefix, `chain of ${formatPosition(envelope)} does not follow ${formatPosition(prefix)}`, true);
  }
  return accepted(prefix, envelope, [...prefix.remembered.slice(1 - REMEMBERED_MAX), envelope.chain]);
}

/** Whether a record at or below the head follows the accepted record before it, as far back as those are remembered. */
function followsIn(prefix: Prefix, envelope: Envelope, follows: Follows): boolean {
  if (envelope.seq === 0) return envelope.body.kind === 'EpochStart' && follows(null);
  const before = prefix.remembered.at(envelope.seq - prefix.seq - 2);
  return before !== undefined && follows(before);
}

/**
 * A later epoch begins with its EPOCH_START, and only where the last epoch of its origin that left a record has ended as
 * that says: over a hole it would be a promise of what is missing, and what fills the hole a repeat for ever. An epoch in
 * between left nothing that counts, and what stands here of it began behind that same end.
 */
function newEpoch(prefix: Prefix, envelope: Envelope, follows: Follows): Verdict {
  if (envelope.body.kind !== 'EpochStart' || envelope.seq !== 0) {
    return ignore(prefix, `gap: ${formatPosition(envelope)} before the start of its epoch`, false);
  }
  if (!follows(null)) {
    return ignore(prefix, `chain of ${formatPosition(envelope)} does not follow its cut`, true);
  }
  const { ownEpoch, ownCutSeq, ownCutChain } = startOf(envelope).body;
  const end = { epoch: ownEpoch, seq: ownCutSeq };
  if (ownEpoch > 0 && comparePositions(prefix, end) < 0) {
    const reason = `gap: epoch ${envelope.epoch} follows the cut ${formatPosition(end)}, at ${formatPosition(prefix)}`;
    return ignore(prefix, reason, false);
  }
  if (ownEpoch === prefix.epoch && ownEpoch > 0) {
    const known = prefix.remembered.at(ownCutSeq - prefix.seq - 1);
    if (known !== undefined && known !== Buffer.from(ownCutChain).toString('hex')) {
      return { kind: 'HALT', reason: `cut of epoch ${prefix.epoch} has another chain than its record here`, prefix };
    }
  }
  return accepted(prefix, envelope, [envelope.chain]);
}

function startOf(envelope: Envelope): Unsealed & { readonly body: EpochStartBody } {
  return envelope as Unsealed & { readonly body: EpochStartBody };
}

function accepted(prefix: Prefix, envelope: Envelope, remembered: readonly string[]): Verdict {
  const { epoch, seq, chain } = envelope;
  return {
    kind: 'ACCEPT',
    envelope,
    prefix: { ...prefix, epoch, seq, chain, remembered },
    ackable: prefix.fencedBelow <= epoch,
  };
}

function ignore(prefix: Prefix, reason: string, alarm: boolean): Verdict {
  return { kind: 'IGNORE', reason, alarm, prefix };
}
