/**
 * One partition of the log this site writes: entries queue up, get their seq and stamp together, and go to the log one
 * append at a time, as many in it as wait. Nothing is ever taken back once it has a seq.
 */

import type { Tail, TailCheckpoint } from '@tidemark/log/tail';
import type { StampClock } from '@tidemark/model/stamp';
import { Fault } from '@tidemark/platform/fault';
import { Notifier } from '@tidemark/platform/sync/notifier';
import type { LogHead, PartitionName } from '@tidemark/record/admit';
import type { Body, EpochStartBody, Unsealed } from '@tidemark/record/envelope';
import { epochSeed, sealRecord } from '@tidemark/record/seal';
import { Fifo } from './fifo.ts';
import type { Request } from './request.ts';

const APPEND_BYTES_MAX = 2 * 1024 * 1024;
const APPEND_ENTRIES_MAX = 500;
const REMEMBERED_MAX = 32;

/** What stands in line to be written. */
export type Entry = {
  /** Made when its stamp is taken, so that what it says of the moment is true of that moment. */
  readonly body: () => Body;
  readonly rowCount: number;
  /** Idempotency key with batch and part, or empty. */
  readonly requestId: string;
  /** What was asked for under that key; null without one. */
  readonly request: Request | null;
  /** Rough size, for the bounds. */
  readonly bytes: number;
  /** −1 until it has one. */
  seq: number;
  stampMs: number;
  cancelled: boolean;
  /** Called in the moment it is known to be stored. */
  readonly onStored: (() => void) | null;
  /** A BARRIER, which says how far things are and is no news itself. */
  readonly barrier: boolean;
};

/** An entry to queue; a body given as a function is made when it gets its seq. `bytes` is its estimated size. */
export function entryOf(
  body: Body | (() => Body),
  {
    rowCount = 0,
    requestId = '',
    request = null as Request | null,
    bytes = 200,
    onStored = null as (() => void) | null,
    barrier = false,
  } = {},
): Entry {
  return {
    onStored,
    barrier,
    body: typeof body === 'function' ? body : () => body,
    rowCount,
    requestId,
    request,
    bytes,
    seq: -1,
    stampMs: 0,
    cancelled: false,
  };
}

type AppenderParts = {
  readonly tail: Tail;
  readonly name: PartitionName;
  readonly epoch: number;
  readonly stamps: StampClock;
  /** Highest committed seq of this partition and epoch, −1 for none. */
  readonly committed: () => number;
  /** Resolves when this partition may append: less is uncommitted than the bound allows. */
  readonly admitted: () => Promise<void>;
  /** Told of each entry that was given its seq. */
  readonly onSealed: (entry: Entry, bytes: number) => void;
  /** Told when `own` has risen. */
  readonly onOwn: () => void;
};

/**
 * The queue of one partition with one append under way; it runs until stopped, fenced, or the log is found to have lost
 * its end.
 */
export class Appender {
  /** Highest seq stored and ackable here. */
  own = -1;
  /** Highest seq given. */
  head = -1;
  /** Rows of all MUTATEs up to `head`. */
  rows = 0;
  queuedBytes = 0;
  /** Where the log can be read on from, in step with the entries' `onStored`. */
  checkpoint: TailCheckpoint | null;
  readonly #queue = new Fifo<Entry>();
  readonly #news = new Notifier();
  #logHead: LogHead;
  #stopped = false;
  readonly #parts: AppenderParts;

  constructor(parts: AppenderParts) {
    this.#parts = parts;
    this.#logHead = parts.tail.logHead;
    this.checkpoint = parts.tail.checkpoint();
  }

  enqueue(entry: Entry): void {
    this.#queue.push(entry);
    this.queuedBytes += entry.bytes;
    this.#news.notify();
  }

  /** Takes an entry out of the line. False when it has its seq already: then it may be stored. */
  cancel(entry: Entry): boolean {
    if (entry.seq >= 0 || entry.cancelled) return entry.cancelled;
    entry.cancelled = true;
    this.queuedBytes -= entry.bytes;
    return true;
  }

  stop(): void {
    this.#stopped = true;
    this.#news.notify();
  }

  /**
   * Runs until stopped.
   * @throws {Fault} `fenced`: a newer writer exists, or another process writes here. `corrupt`: the log lost its end.
   */
  async run(): Promise<void> {
    const { tail, name, epoch } = this.#parts;
    while (!this.#stopped) {
      if (this.#queue.length === 0) await this.#news.after(this.#news.count);
      await this.#parts.admitted();
      const taken = this.#take();
      if (taken.length === 0) continue;
      const values = taken.map((entry) => ({ value: this.#seal(entry) }));
      const ackable = await tail.append(values, this.#logHead);
      if (!ackable) {
        const where = `${name.keyspace}/${name.partition}`;
        throw new Fault('fenced', `${where}: epoch ${epoch} was fenced below ${tail.logHead.fencedBelow}`, {
          got: epoch,
          expected: tail.logHead.fencedBelow,
        });
      }
      this.own = taken.at(-1)!.seq;
      this.checkpoint = tail.checkpoint();
      for (const entry of taken) entry.onStored?.();
      this.#parts.onOwn();
    }
  }

  /** The entries of the next append, in order, without those that were cancelled. */
  #take(): Entry[] {
    const taken: Entry[] = [];
    let bytes = 0;
    for (let entry = this.#queue.first(); entry !== undefined; entry = this.#queue.first()) {
      if (taken.length === APPEND_ENTRIES_MAX || (taken.length > 0 && bytes + entry.bytes > APPEND_BYTES_MAX)) break;
      this.#queue.shift();
      if (entry.cancelled) continue;
      taken.push(entry);
      bytes += entry.bytes;
    }
    this.queuedBytes -= bytes;
    return taken;
  }

  /** Gives the entry its seq and stamp, once. */
  #seal(entry: Entry): Buffer {
    const { stamps, epoch, name, committed } = this.#parts;
    const { ms, counter } = stamps.take(Math.max(1, entry.rowCount));
    entry.seq = ++this.head;
    entry.stampMs = ms;
    const record: Unsealed = {
      cluster: name.cluster,
      keyspace: name.keyspace,
      origin: name.origin,
      epoch,
      partition: name.partition,
      seq: entry.seq,
      stampMs: ms,
      stampCounter: counter,
      writer: epoch,
      committed: committed(),
      body: entry.body(),
    };
    if (record.body.kind === 'Mutate') this.rows += record.body.rowCount;
    const starts = record.body.kind === 'EpochStart';
    const previous = starts ? epochSeed(record as Unsealed & { body: EpochStartBody }) : this.#logHead.chain;
    const { bytes, chain } = sealRecord(record, previous);
    const remembered = starts ? [chain] : [...this.#logHead.remembered.slice(1 - REMEMBERED_MAX), chain];
    this.#logHead = { ...this.#logHead, epoch, seq: entry.seq, chain, remembered };
    this.#parts.onSealed(entry, bytes.length);
    return bytes;
  }
}
