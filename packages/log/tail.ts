/**
 * The end of a topic partition that this process alone extends: the writer its own log, the mirror its copy. It knows
 * what is stored there, and settles an append whose answer was lost by appending the same bytes again and reading.
 *
 * Offsets are dense and only this process appends data, so an answer at the expected offset proves that nothing, no
 * FENCE above all, came in between; only an unexpected one has to be read back.
 */

import { comparePositions, formatPosition, NOWHERE, type Position } from '@tidemark/model/position';
import type { Clock } from '@tidemark/platform/clock';
import { Fault, isFault } from '@tidemark/platform/fault';
import { Mutex } from '@tidemark/platform/sync/mutex';
import { accept, emptyLogHead, type LogHead, type PartitionName } from '@tidemark/record/admit';
import type { Envelope } from '@tidemark/record/envelope';
import { isSuccessor, rootOf } from '@tidemark/record/log-identity';
import { identityIn, openRecord } from '@tidemark/record/seal';
import type { Log, LogEntry, LogRecord } from './log.ts';

/** Where a fold can go on: the offset of the last accepted record and what had been accepted with it. */
export type TailCheckpoint = {
  readonly headOffset: number;
  readonly logHead: LogHead;
  /** The highest ackable record by then. */
  readonly ackable: Position;
  /** The offset after the last record known, of whatever kind. */
  readonly end: number;
  /** Offset of the GENESIS with which the log begins: 0, or that of a later one, where it had lost its beginning. */
  readonly begin: number;
};

type TailParts = {
  readonly log: Log;
  readonly topic: string;
  readonly name: PartitionName;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Told of each accepted record while folding, oldest first; never of records this process appends. */
  readonly onAccepted?: (envelope: Envelope, record: LogRecord) => void;
  /** Told when an append has to be tried again, once per outage. */
  readonly onTrouble?: (fault: Fault) => void;
};

/** What is known from before, and what to do where that is not what stands there. */
type Before = {
  readonly checkpoint: TailCheckpoint | null;
  /**
   * What to do when the log no longer holds all that it did: an original is not to be written on (`refuse`: Fault
   * `corrupt`); a copy can be filled again, but is not what it was (`note`: `lost` tells).
   */
  readonly onLost: 'refuse' | 'note';
  /** Told when the checkpoint is another log's, in words; it counts as none then. */
  readonly onOther: (what: string) => void;
};

const RETRY_MS = 100;

/**
 * The log head and end of one topic partition; `append` answers only once the record was read back or settled.
 * Operations take turns.
 */
export class Tail {
  #logHead: LogHead;
  #end = 0;
  #headOffset = -1;
  #ackable: Position = NOWHERE;
  #begin = 0;
  /** Offset of the last GENESIS that was read, −1 for none. */
  #genesisAt = -1;
  #lost: 'beginning' | 'end' | null = null;
  #resumed = false;
  /** One operation at a time. */
  readonly #mutex = new Mutex();
  readonly #parts: TailParts;

  private constructor(parts: TailParts) {
    this.#parts = parts;
    this.#logHead = emptyLogHead(parts.name);
  }

  /**
   * Reads the partition to its end, from `checkpoint` where the record it names is still there, else from its start. A
   * checkpoint of another log is none.
   * @throws {Fault} `corrupt`: it holds two records in one position, or lost something (`refuse`). `unavailable`: the
   *   log cannot be reached.
   */
  static async open(parts: TailParts, { checkpoint, onLost, onOther }: Before): Promise<Tail> {
    const tail = new Tail(parts);
    const { start, end } = await parts.log.bounds(parts.topic, parts.name.partition);
    const other = checkpoint === null ? null : await tail.#otherThan(checkpoint, start);
    if (other !== null) onOther(other);
    const known = other === null ? checkpoint : null;
    tail.#end = start;
    tail.#begin = known?.begin ?? 0;
    // What stands before the start is in no copy any more, however well its end is known.
    if (start > tail.#begin) tail.#lost = 'beginning';
    else if (known !== null) await tail.#goOnFrom(known, end);
    await tail.#foldTo(end);
    if (tail.#lost !== null && onLost === 'refuse') tail.#checkRenewed(known, { start, end });
    return tail;
  }

  /**
   * Whether what a checkpoint knows still stands there, looked at without reading on from it.
   * @throws {Fault} `unavailable`: the log cannot be reached.
   */
  static async holds(parts: TailParts, checkpoint: TailCheckpoint): Promise<boolean> {
    const { start, end } = await parts.log.bounds(parts.topic, parts.name.partition);
    return start <= checkpoint.begin && checkpoint.end <= end && (await new Tail(parts).#isHead(checkpoint, end));
  }

  async #goOnFrom(known: TailCheckpoint, end: number): Promise<void> {
    if (await this.#isHead(known, end)) {
      this.#logHead = known.logHead;
      this.#headOffset = known.headOffset;
      this.#end = known.headOffset + 1;
      this.#ackable = known.ackable;
      this.#resumed = true;
    }
    // Even a FENCE alone that is gone is a promise that is gone.
    if (known.end > end || this.#headOffset < 0) this.#lost = 'end';
  }

  /** A log that lost something may be written on once it has its next identity: then it was filled again. */
  #checkRenewed(known: TailCheckpoint | null, { start, end }: { start: number; end: number }): void {
    const before = known?.logHead.logId ?? '';
    const now = this.#logHead.logId;
    const what = this.#lost;
    this.#lost = null;
    if (what === 'beginning') this.#begin = Math.max(this.#begin, this.#genesisAt);
    if (before === '' ? now !== '' : isSuccessor(before, now)) return;
    const { topic, name } = this.#parts;
    const place = `${topic}/${name.partition}`;
    if (what === 'beginning') throw lostBeginning(place, start, this.#begin);
    const message = `${place} lost its end: known to ${known?.end}, ends at ${end}`;
    throw new Fault('corrupt', message, { got: end, expected: known?.end });
  }

  /** Everything stored and accepted. */
  get logHead(): LogHead {
    return this.#logHead;
  }

  /** The highest accepted record that no fence above its epoch precedes. */
  get ackable(): Position {
    return this.#ackable;
  }

  /** Set once the log was found to hold less than it had held: what it promised before is void. */
  get lost(): 'beginning' | 'end' | null {
    return this.#lost;
  }

  /** True when it went on from its checkpoint; what stands beside that in a file is of this log, too. */
  get resumed(): boolean {
    return this.#resumed;
  }

  /**
   * Where the log begins now, when that is behind where it did: its records before there are gone from this site, though
   * this process still knows how they end. Null while nothing is gone.
   * @throws {Fault} `unavailable`
   */
  async trimmedTo(): Promise<number | null> {
    const { log, topic, name } = this.#parts;
    const { start } = await log.bounds(topic, name.partition);
    return start > this.#begin ? start : null;
  }

  /** Others know that more stood here: as if the end had been found lost. */
  doubt(): void {
    this.#lost ??= 'end';
  }

  /** Null before the first record. */
  checkpoint(): TailCheckpoint | null {
    if (this.#headOffset < 0) return null;
    const [headOffset, logHead, end, begin] = [this.#headOffset, this.#logHead, this.#end, this.#begin];
    return { headOffset, logHead, ackable: this.#ackable, end, begin };
  }

  /**
   * Stores records that extend `prefix` and resolves once they are known to be stored; tries for as long as it takes.
   *
   * @param after the log head with them accepted
   * @returns whether they are ackable
   * @throws {Fault} `fenced`: another writer's records stand in their place. `corrupt`: the log lost its end.
   *   `unknown`: `signal` aborted before it was settled.
   */
  async append(entries: readonly LogEntry[], after: LogHead): Promise<boolean> {
    using _turn = await this.#mutex.lock();
    const { log } = this.#parts;
    const offset = await this.#appendSomehow(entries);
    this.#checkEnd(offset);
    if (offset === this.#end) {
      this.#end = offset + entries.length;
      this.#headOffset = this.#end - 1;
      this.#logHead = { ...after, fencedBelow: this.#logHead.fencedBelow, logId: this.#logHead.logId };
      if (this.#logHead.fencedBelow <= after.epoch) this.#ackable = { epoch: after.epoch, seq: after.seq };
    } else {
      await this.#foldTo(offset + entries.length);
      this.#assertStored(after, log.address);
    }
    return comparePositions(this.#ackable, after) >= 0;
  }

  /**
   * Stores one record of the local kinds (GENESIS, FENCE) and resolves once it was read back, with everything before it.
   * @throws {Fault} as `append`, but for `fenced`.
   */
  async appendLocal(value: Uint8Array): Promise<void> {
    using _turn = await this.#mutex.lock();
    const offset = await this.#appendSomehow([{ value }]);
    this.#checkEnd(offset);
    await this.#foldTo(offset + 1);
  }

  /** Gives a topic that lost something its next identity, by another GENESIS record. */
  async renew(genesis: Uint8Array): Promise<void> {
    const isBegun = this.#logHead.logId !== '' && this.#lost !== 'beginning';
    await this.appendLocal(genesis);
    if (!isBegun) this.#begin = this.#genesisAt;
    this.#lost = null;
  }

  /** Takes in what others have appended since. @throws {Fault} `corrupt`: the log lost its end. `unavailable` */
  async catchUp(): Promise<void> {
    using _turn = await this.#mutex.lock();
    const { log, topic, name } = this.#parts;
    const { end } = await log.bounds(topic, name.partition);
    this.#checkEnd(end);
    await this.#foldTo(end);
  }

  /** @throws {Fault} `corrupt`: what was known to be stored cannot all be there. */
  #checkEnd(offset: number): void {
    if (offset >= this.#end) return;
    this.#lost ??= 'end';
    const { topic, name } = this.#parts;
    const place = `${topic}/${name.partition}`;
    throw new Fault('corrupt', `${place} lost its end: it stands at ${offset}, known to ${this.#end}`, {
      got: offset,
      expected: this.#end,
    });
  }

  async #appendSomehow(entries: readonly LogEntry[]): Promise<number> {
    const { log, topic, name, clock, signal, onTrouble } = this.#parts;
    for (let attempt = 0; ; attempt++) {
      try {
        return await log.append(topic, name.partition, entries);
      } catch (error) {
        // The topic was deleted, or is another one: nothing of what was stored can be counted on.
        if (isFault(error, 'corrupt') || isGone(error)) this.#lost ??= 'end';
        if (!isFault(error) || (error.kind !== 'unavailable' && error.kind !== 'unknown')) throw error;
        if (attempt === 0) onTrouble?.(error);
        await clock.sleep(RETRY_MS, signal);
        if (signal.aborted)
          throw new Fault('unknown', `${topic}/${name.partition}: append not settled`, { cause: error });
      }
    }
  }

  #assertStored(after: LogHead, address: string): void {
    const { topic, name } = this.#parts;
    const logHead = this.#logHead;
    const stored = logHead.epoch === after.epoch ? logHead.remembered.at(after.seq - logHead.seq - 1) : undefined;
    if (comparePositions(logHead, after) >= 0 && (stored === undefined || stored === after.chain)) return;
    const where = `${address} ${topic}/${name.partition}`;
    throw new Fault(
      'fenced',
      `${where}: ${formatPosition(after)} is not what stands there; another process writes here`,
      {
        got: formatPosition(logHead),
        expected: formatPosition(after),
      },
    );
  }

  /** Accepts what stands between the known end and `end`. */
  async #foldTo(end: number): Promise<void> {
    const { log, topic, name, signal } = this.#parts;
    if (this.#end >= end) return;
    const { partition } = name;
    for await (const batch of log.read({ topic, partition, from: this.#end, signal, untilEnd: true })) {
      for (const record of batch.records) this.#take(record);
      if (this.#end >= end) return;
    }
    if (this.#end < end && !signal.aborted) {
      throw new Fault('unavailable', `${topic}/${partition}: read to ${this.#end}, expected ${end}`);
    }
  }

  #take(record: LogRecord): void {
    const { topic, name, onAccepted } = this.#parts;
    const verdict = accept(this.#logHead, record.value);
    if (verdict.kind === 'HALT') {
      throw new Fault('corrupt', `${topic}/${name.partition} at offset ${record.offset}: ${verdict.reason}`);
    }
    this.#logHead = verdict.logHead;
    this.#end = record.offset + 1;
    if (verdict.kind === 'LOCAL' && verdict.envelope.body.kind === 'Genesis') this.#genesisAt = record.offset;
    if (verdict.kind !== 'ACCEPT') return;
    this.#headOffset = record.offset;
    if (verdict.ackable) this.#ackable = { epoch: verdict.logHead.epoch, seq: verdict.logHead.seq };
    onAccepted?.(verdict.envelope, record);
  }

  /** Why the checkpoint is of another log than the one that stands here; null where nothing says so. */
  async #otherThan({ begin, logHead }: TailCheckpoint, start: number): Promise<string | null> {
    if (start > begin || logHead.logId === '') return null;
    const first = await this.#recordAt(begin);
    const logId = first === null ? '' : identityIn(first.value);
    if (logId === '' || rootOf(logId) === rootOf(logHead.logId)) return null;
    const { topic, name } = this.#parts;
    return `${topic}/${name.partition} is log ${logId}, and was ${logHead.logId}`;
  }

  /** True when the checkpoint's head record still stands at its offset. */
  async #isHead({ headOffset, logHead }: TailCheckpoint, end: number): Promise<boolean> {
    if (headOffset < 0 || headOffset >= end) return false;
    const head = await this.#recordAt(headOffset);
    if (head === null || head.offset !== headOffset) return false;
    try {
      const { envelope } = openRecord(head.value);
      return comparePositions(envelope, logHead) === 0 && envelope.chain === logHead.chain;
    } catch (error) {
      if (isFault(error, 'corrupt')) return false;
      throw error;
    }
  }

  async #recordAt(offset: number): Promise<LogRecord | null> {
    const { log, topic, name, signal } = this.#parts;
    const { partition } = name;
    for await (const batch of log.read({ topic, partition, from: offset, signal, untilEnd: true, batchBytesMax: 1 })) {
      return batch.records[0]!;
    }
    return null;
  }
}

/** There is no such topic, or not that partition of it. */
export function isGone(error: unknown): boolean {
  return isFault(error, 'notFound');
}

function lostBeginning(place: string, start: number, begin: number): Fault {
  const message = `${place} lost its beginning: the first offset left is ${start}, it began at ${begin}`;
  return new Fault('corrupt', message, { got: start, expected: begin });
}
