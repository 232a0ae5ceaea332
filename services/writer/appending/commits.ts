/**
 * What is committed in each partition of a term, and who waits for it. Fed with what the own log holds and what other
 * sites say is durable there; it never lowers anything.
 */

import { newestTerm, type RegisterValue } from '@tidemark/control/consensus/register-value';
import type { Durable } from '@tidemark/peer/shapes';
import { Fault } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import type { Appender, Entry } from './appender.ts';
import { committedSeq } from './committed.ts';
import { Fifo } from './fifo.ts';

/**
 * Bytes of a partition that may be stored but not committed; more wait for the other sites. Below what an applier holds
 * back (8 MiB), so that the record that tells it what is committed is never behind what it cannot take in.
 */
export const UNCOMMITTED_BYTES_MAX = 4 * 1024 * 1024;

type Waiter = { readonly entry: Entry; readonly resolve: () => void };

/** Lets everyone go whose entry is at or below `seq`, or was taken out of the line. */
function release(line: Fifo<Waiter>, seq: number): void {
  for (let first = line.first(); first !== undefined; first = line.first()) {
    const { entry, resolve } = first;
    if (!entry.cancelled && (entry.seq < 0 || entry.seq > seq)) return;
    line.shift();
    resolve();
  }
}

/** What is committed in one term, by partition; a waiter is told at its own ack level. */
export class Commits {
  readonly #appenders: readonly Appender[];
  readonly #epoch: number;
  readonly #origin: string;
  /** The term's level: no ack comes from fewer other sites. */
  #k: number;
  /** Site → partition → highest durable seq of this epoch, of members whose word counts. */
  readonly #durable = new Map<string, Float64Array>();
  /** Site and identity of its mirror topic → by partition, the highest seq it ever said, counted or not any more. */
  readonly #told = new Map<string, Float64Array>();
  /** The same, of copies that were put back to an older state: what they say counts no more. */
  readonly #back = new Set<string>();
  /** Site → identity of its mirror topic as the register lists it: what one of another says does not count (rule 13). */
  readonly #listed = new Map<string, string>();
  /** By partition: the highest seq that was committed at the term's level. */
  readonly #committed: Float64Array;
  /** By partition: the highest seq that was committed at a level the term had before. */
  readonly #ackedBefore: Float64Array;
  /** Partition → k → waiters in the order of their entries. */
  readonly #lines: Map<number, Fifo<Waiter>>[];
  readonly #uncommitted: Fifo<{ seq: number; bytes: number }>[];
  readonly #uncommittedBytes: Float64Array;
  readonly #admitting: (() => void)[][];
  /** Site → identity that was complained of. */
  readonly #complained = new Map<string, string>();
  readonly #onCommitted: (partition: number, seq: number) => void;
  readonly #logger: Logger;

  constructor(parts: {
    readonly appenders: readonly Appender[];
    readonly epoch: number;
    /** This site. */
    readonly origin: string;
    readonly value: RegisterValue;
    readonly logger: Logger;
    readonly onCommitted: (partition: number, seq: number) => void;
  }) {
    this.#appenders = parts.appenders;
    this.#epoch = parts.epoch;
    this.#origin = parts.origin;
    this.#k = parts.value.ack.k;
    this.#logger = parts.logger;
    this.#onCommitted = parts.onCommitted;
    const partitions = parts.appenders.length;
    this.#committed = new Float64Array(partitions).fill(-1);
    this.#ackedBefore = new Float64Array(partitions).fill(-1);
    this.#list(parts.value);
    this.#lines = Array.from({ length: partitions }, () => new Map());
    this.#uncommitted = Array.from({ length: partitions }, () => new Fifo());
    this.#uncommittedBytes = new Float64Array(partitions);
    this.#admitting = Array.from({ length: partitions }, () => []);
  }

  /** Highest seq of a partition known to have been held by the origin and `k` others at one time, −1 for none. */
  committed(partition: number, k = this.#k): number {
    const durable = [...this.#durable.values()].map((seqs) => seqs[partition]!);
    const seq = committedSeq(this.#appenders[partition]!.own, durable, k);
    // A member that does not count any more takes nothing back of what was acked while it did.
    if (k !== this.#k) return seq;
    this.#committed[partition] = Math.max(this.#committed[partition]!, seq);
    return this.#committed[partition]!;
  }

  /** How many other sites an ack comes from at least. */
  get k(): number {
    return this.#k;
  }

  /**
   * From now on no ack comes from fewer other sites than `k`, whatever its request waits for (rule 23). What was acked
   * stays so; what counts as committed is found out anew.
   */
  setK(k: number): void {
    for (const [p, seq] of this.#committed.entries()) this.#ackedBefore[p] = Math.max(this.#ackedBefore[p]!, seq);
    this.#committed.fill(-1);
    this.#k = k;
    for (const partition of this.#appenders.keys()) this.progressed(partition);
  }

  /** Whether everything that was acked at another level is committed at this one too, and every partition is begun. */
  get holdsAcked(): boolean {
    return this.#ackedBefore.every((seq, partition) => this.committed(partition) >= Math.max(0, seq));
  }

  /** Takes over whose word counts: a member with another identity than before has said nothing yet (rule 22). */
  registerChanged(value: RegisterValue): void {
    // Who is a member of a later term has promised that one: its word is none about this one.
    if (newestTerm(value)?.epoch === this.#epoch) this.#list(value);
  }

  #list({ members }: RegisterValue): void {
    const trusted = members.filter(({ site, state }) => state === 'ACTIVE' && site !== this.#origin);
    const listed = new Map(trusted.map(({ site, logIds }) => [site, logIds[this.#origin] ?? '']));
    for (const site of this.#listed.keys()) if (listed.get(site) !== this.#listed.get(site)) this.#durable.delete(site);
    this.#listed.clear();
    for (const [site, logId] of listed) {
      this.#listed.set(site, logId);
      if (!this.#durable.has(site)) this.#durable.set(site, new Float64Array(this.#appenders.length).fill(-1));
    }
  }

  /** What each other site said last, by partition. */
  durable(): ReadonlyMap<string, Float64Array> {
    return this.#durable;
  }

  /** Resolves when the entry is committed at level `k`, or was cancelled. Called when the entry is enqueued. */
  wait(partition: number, entry: Entry, k = this.#k): Promise<void> {
    const lines = this.#lines[partition]!;
    const line = lines.get(k) ?? new Fifo<Waiter>();
    lines.set(k, line);
    return new Promise((resolve) => {
      line.push({ entry, resolve });
      release(line, this.committed(partition, Math.max(k, this.#k)));
    });
  }

  /** Counts bytes that were given a seq, until they are committed. */
  sealed(partition: number, seq: number, bytes: number): void {
    this.#uncommitted[partition]!.push({ seq, bytes });
    this.#uncommittedBytes[partition]! += bytes;
  }

  /** Resolves when the partition is below its bound of uncommitted bytes. */
  admitted(partition: number): Promise<void> {
    if (this.#uncommittedBytes[partition]! < UNCOMMITTED_BYTES_MAX) return Promise.resolve();
    return new Promise((resolve) => this.#admitting[partition]!.push(resolve));
  }

  /** The identity of the site's copy that counts; empty: none does. */
  listed(site: string): string {
    return this.#listed.get(site) ?? '';
  }

  /** What that copy has said so far, by partition. */
  counted(site: string): readonly number[] {
    return [...(this.#told.get(`${site} ${this.listed(site)}`) ?? this.#nothing())];
  }

  #nothing(): Float64Array {
    return new Float64Array(this.#appenders.length).fill(-1);
  }

  /**
   * Takes a line of a site's durable stream. What is of another epoch or another topic does not count (rule 13).
   * @throws {Fault} `corrupt`: the copy holds less than it said under the same identity. It was put back to an older
   *   state, and what it says counts no more; who follows it asks again, and tells it so.
   */
  heard(durable: Durable): void {
    const seqs = this.#durable.get(durable.site);
    const listed = this.#listed.get(durable.site);
    if (seqs === undefined || durable.logId === '') return;
    if (listed !== durable.logId) {
      const { site, logId: got } = durable;
      if (this.#complained.get(site) !== got)
        this.#logger.warn({ site, got, expected: listed }, 'its mirror is not listed');
      this.#complained.set(site, got);
      return;
    }
    if (this.#back.has(`${durable.site} ${durable.logId}`)) return;
    const told = this.#toldBy(durable);
    durable.positions.forEach(([epoch, seq], partition) => {
      if (epoch !== this.#epoch || partition >= seqs.length) return;
      told[partition] = Math.max(told[partition]!, seq);
      if (seq <= seqs[partition]!) return;
      seqs[partition] = seq;
      this.progressed(partition);
    });
  }

  /** What the copy has said before. @throws {Fault} `corrupt`: as `heard` */
  #toldBy({ site, logId, positions }: Durable): Float64Array {
    const key = `${site} ${logId}`;
    const told = this.#told.get(key) ?? this.#nothing();
    this.#told.set(key, told);
    const back = positions.findIndex(
      ([epoch, seq], p) => epoch > 0 && (told[p] ?? -1) >= 0 && (epoch < this.#epoch || seq < told[p]!),
    );
    if (back < 0) return told;
    this.#durable.get(site)?.fill(-1);
    this.#back.add(key);
    const [got, expected] = [positions[back]!.join(':'), `${this.#epoch}:${told[back]}`];
    const message = `${site} holds log ${logId} to ${got} in partition ${back}, it had it to ${expected}: an older copy`;
    this.#logger.error({ site, got, expected }, message);
    throw new Fault('corrupt', message, { got, expected });
  }

  /** Looks again at a partition of which the own log or a site holds more. */
  progressed(partition: number): void {
    for (const [k, line] of this.#lines[partition]!) release(line, this.committed(partition, Math.max(k, this.#k)));
    const committed = this.committed(partition);
    const uncommitted = this.#uncommitted[partition]!;
    let moved = false;
    for (let first = uncommitted.first(); first !== undefined && first.seq <= committed; first = uncommitted.first()) {
      this.#uncommittedBytes[partition]! -= first.bytes;
      uncommitted.shift();
      moved = true;
    }
    if (!moved) return;
    for (const admit of this.#admitting[partition]!.splice(0)) admit();
    this.#onCommitted(partition, committed);
  }
}
