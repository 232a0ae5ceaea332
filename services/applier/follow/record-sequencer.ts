/**
 * What becomes of the records of one origin's partition: the verdict on each, which of them count, and which of those
 * may be applied yet. No I/O and no time: the same records and the same news give the same decisions.
 *
 * A record of a sync keyspace is held until it is known to be committed, or to lie at or below the epoch end of its epoch;
 * one beyond the epoch end never counts. What is held is bounded: beyond the bound records are only looked at for what they
 * tell about commits, and `goBack` says where to read them again once they may be applied.
 */

import assert from 'node:assert/strict';
import { NOWHERE, type Position } from '@tidemark/model/position';
import type { SharedMemory } from '@tidemark/platform/shared-memory';
import { accept, emptyLogHead, type LogHead, type PartitionName } from '@tidemark/record/admit';
import type { Envelope } from '@tidemark/record/envelope';
import { rootOf } from '@tidemark/record/log-identity';
import type { KnownEpochEnds } from './known-epoch-ends.ts';

/** An accepted record that waits to be applied. */
export type Held = {
  readonly offset: number;
  readonly bytes: number;
  readonly envelope: Envelope;
  /** What has been accepted with this record included. */
  readonly logHead: LogHead;
};

/** What a record told, beside what it holds. */
export type News =
  | { readonly kind: 'ignored'; readonly reason: string; readonly alarm: boolean }
  | { readonly kind: 'duplicate' }
  /** Two records under one position, or two logs in one: the reader must stop. */
  | { readonly kind: 'halted'; readonly reason: string }
  /** Read again from its start, the log turned out to be another one: it is read as that. */
  | { readonly kind: 'other'; readonly reason: string }
  /** Of the origin's partition: everything of the epoch up to seq is committed. */
  | { readonly kind: 'committed'; readonly partition: number; readonly at: Position }
  /** Of this partition: the origin's epoch ends at seq, and `next` follows on it; no origin: `next` is the first. */
  | Closed;

/** Where the epoch before an EPOCH_START ended. */
export type Closed = {
  readonly kind: 'closed';
  readonly origin: string;
  readonly at: Position;
  readonly next: number;
};

type FoldRules = {
  /** False for a local keyspace: what is accepted counts as committed. */
  readonly sync: boolean;
  /** Most bytes of records held, counted as they stand in the log; one record always has room. */
  readonly heldBytesMax: number;
  /** What the records that wait in all partitions may hold together. */
  readonly uncommitted: SharedMemory;
  /** What is known of where terms ended in this partition. */
  readonly knownEpochEnds: KnownEpochEnds;
  /** Whether this site has applied another origin's partition up to there: epochs follow each other strictly. */
  readonly reached: (origin: string, at: Position) => boolean;
  /** Told of each record that is passed over because it lies beyond an epoch end; of one that is read again, again. */
  readonly onCutOff?: (envelope: Envelope) => void;
};

type Place = { readonly offset: number; readonly logHead: LogHead; readonly at: Position };

/** The decisions on one origin's partition, from a log head on; it holds uncommitted records up to a bound in bytes. */
export class RecordSequencer {
  readonly name: PartitionName;
  readonly #rules: FoldRules;
  #logHead: LogHead;
  #held: Held[] = [];
  #first = 0;
  #heldBytes = 0;
  /** The first record that found no room. */
  #unheld: Place | null = null;
  /** Its identity is the one of the log that was read before; nothing of the log that stands there now has said its own. */
  #isAssumed = false;
  /** By epoch: last seq known to be committed. */
  readonly #committed = new Map<number, number>();
  /** By epoch: what its EPOCH_START says about the epoch before, until that record is committed itself. */
  readonly #starts = new Map<number, Closed>();

  constructor(name: PartitionName, rules: FoldRules, from: LogHead | null) {
    this.name = name;
    this.#rules = rules;
    this.#logHead = from ?? emptyLogHead(name);
  }

  get logHead(): LogHead {
    return this.#logHead;
  }

  /** Bytes of the records that it holds, as they stand in the log. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** How many records are accepted and not yet `applied`. */
  get heldCount(): number {
    return this.#held.length - this.#first;
  }

  /** True when nothing waits: every record read so far has been `applied` or never counts. */
  get isEmpty(): boolean {
    return this.heldCount === 0 && this.#unheld === null;
  }

  /** Decides one record; returns what it told. */
  take(offset: number, value: Uint8Array): News[] {
    const before = this.#logHead;
    const verdict = accept(before, value);
    this.#logHead = verdict.logHead;
    switch (verdict.kind) {
      case 'LOCAL':
        if (verdict.envelope.body.kind === 'Genesis') this.#isAssumed = false;
        return [];
      case 'DUPLICATE':
        return [{ kind: 'duplicate' }];
      case 'IGNORE':
        return [{ kind: 'ignored', reason: verdict.reason, alarm: verdict.alarm }];
      case 'HALT':
        return [{ kind: this.#isAssumed ? 'other' : 'halted', reason: verdict.reason }];
      case 'ACCEPT':
        this.#isAssumed = false;
        this.#hold({ offset, bytes: value.length, envelope: verdict.envelope, logHead: verdict.logHead }, before);
        return this.#newsOf(verdict.envelope);
    }
  }

  /** What an accepted record tells about commits and epoch ends. */
  #newsOf(envelope: Envelope): News[] {
    const { epoch, body, partition } = envelope;
    const news: News[] = [];
    if (envelope.committed >= 0) news.push({ kind: 'committed', partition, at: { epoch, seq: envelope.committed } });
    if (body.kind === 'Barrier') {
      body.committed.forEach((seq, p) => {
        if (seq >= 0) news.push({ kind: 'committed', partition: p, at: { epoch, seq } });
      });
    }
    if (body.kind === 'EpochStart') {
      const at = { epoch: body.previousEpoch, seq: body.endSeq };
      const closed: Closed = { kind: 'closed', origin: body.previousOrigin, at, next: epoch };
      if (this.#counts(envelope) && !this.isCutOff(envelope)) news.push(closed);
      else this.#starts.set(epoch, closed);
    }
    return news;
  }

  #hold(record: Held, before: LogHead): void {
    const { envelope } = record;
    if (this.#unheld !== null) return;
    const { heldBytesMax, uncommitted } = this.#rules;
    const isFull = (): boolean =>
      this.#heldBytes + record.bytes > heldBytesMax || uncommitted.bytes + record.bytes > uncommitted.bytesMax;
    if (this.heldCount > 0 && isFull()) {
      this.#unheld = { offset: record.offset, logHead: before, at: { epoch: envelope.epoch, seq: envelope.seq } };
      return;
    }
    this.#held.push(record);
    this.#heldBytes += record.bytes;
  }

  /**
   * Everything of `at.epoch` up to `at.seq` is committed.
   * @returns the epoch end of the epoch before, when the EPOCH_START that names it has now become committed
   */
  learnCommitted(at: Position): Closed[] {
    if (at.seq > (this.#committed.get(at.epoch) ?? -1)) this.#committed.set(at.epoch, at.seq);
    return this.#started(at.epoch);
  }

  /** The epoch end that the epoch's EPOCH_START names, once: that record is committed now. */
  #started(epoch: number): Closed[] {
    const start = this.#starts.get(epoch);
    this.#starts.delete(epoch);
    return start === undefined ? [] : [start];
  }

  /** The furthest position known to be committed; NOWHERE for none. */
  get committed(): Position {
    const epoch = Math.max(0, ...this.#committed.keys());
    return epoch === 0 ? NOWHERE : { epoch, seq: this.#committed.get(epoch)! };
  }

  /**
   * The epoch of this origin ends at `at.seq`, as the known epoch ends say by now; what does not lie beyond is committed.
   * @returns the epoch end of the epoch before: a writer may have died before it knew its EPOCH_START to be committed, and
   *   then the epoch end of its own epoch, named by the next writer, is how that becomes known
   */
  learnEnd(at: Position): Closed[] {
    return at.seq >= 0 ? this.#started(at.epoch) : [];
  }

  /** True when the record is beyond an epoch end: no store may hold it. */
  isCutOff(at: Position): boolean {
    const epochEnd = this.#epochEndOf(at.epoch);
    return epochEnd !== null && at.seq > epochEnd;
  }

  #epochEndOf(epoch: number): number | null {
    return this.#rules.knownEpochEnds.epochEndOf(this.name.origin, epoch);
  }

  /** The next record that may be applied, skipping those cut off; null while there is none. It stays until `applied`. */
  next(): Held | null {
    for (;;) {
      const head = this.#held[this.#first];
      if (head === undefined) return null;
      if (this.isCutOff(head.envelope)) {
        this.#rules.onCutOff?.(head.envelope);
        this.#shift();
        continue;
      }
      return this.#counts(head.envelope) && this.#isItsTurn(head.envelope) ? head : null;
    }
  }

  /**
   * What `next` gave has been applied. An epoch end that was learnt meanwhile may have taken it away already, when somebody else
   * asked for the next one: then another one stands first, or none.
   */
  applied(record: Held): void {
    if (this.#held[this.#first] === record) this.#shift();
  }

  #shift(): void {
    this.#heldBytes -= this.#held[this.#first]!.bytes;
    this.#first++;
    if (this.#first < 1024 && this.#first < this.#held.length) return;
    this.#held.splice(0, this.#first);
    this.#first = 0;
  }

  #counts(at: Position): boolean {
    return this.#epochEndOf(at.epoch) !== null || this.#isCommitted(at);
  }

  #isCommitted(at: Position): boolean {
    return !this.#rules.sync || at.seq <= (this.#committed.get(at.epoch) ?? -1);
  }

  /** An epoch begins only after the one before it, whoever's it was, has been applied up to its epoch end. */
  #isItsTurn(envelope: Envelope): boolean {
    const { body } = envelope;
    if (body.kind !== 'EpochStart' || body.endSeq < 0 || body.previousOrigin === this.name.origin) return true;
    return this.#rules.reached(body.previousOrigin, { epoch: body.previousEpoch, seq: body.endSeq });
  }

  /** True when records were passed over that may be applied by now (or never), and there is room for them. */
  get canGoBack(): boolean {
    const place = this.#unheld;
    if (place === null || this.heldCount > 0) return false;
    return this.#counts(place.at) || this.isCutOff(place.at);
  }

  /** Stands before the first record that was passed over again, and returns the offset to read on from. */
  goBack(): number {
    const place = this.#unheld;
    assert(place !== null, `${this.name.origin}/${this.name.partition}: nothing was passed over`);
    this.#unheld = null;
    this.#logHead = place.logHead;
    return place.offset;
  }

  /**
   * Forgets what was accepted, but not what is known of commits and epoch ends: fold again from the start. There a log that
   * lost something since says who it was before, not who it is now.
   * @param isSameLog false: it may be another log than the one read so far
   */
  restart(isSameLog: boolean): void {
    const logId = isSameLog ? rootOf(this.#logHead.logId) : '';
    this.#logHead = { ...emptyLogHead(this.name), logId };
    this.#isAssumed = logId !== '';
    this.#held = [];
    this.#first = 0;
    this.#heldBytes = 0;
    this.#unheld = null;
  }
}
