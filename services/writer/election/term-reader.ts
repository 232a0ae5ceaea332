/**
 * Reads records of one term in this site's copy by their seq. Places are found by halving, so that a term of any length
 * costs about as little as a short one; what does not follow from the record before it is passed over.
 */

import type { EpochEndAt, Term } from '@tidemark/control/consensus/register-value';
import type { ReceivedBarrier } from '@tidemark/control/failover/loss';
import { findAfter } from '@tidemark/log/find-position';
import type { Log } from '@tidemark/log/log';
import { isFault } from '@tidemark/platform/fault';
import { chainFollows, type OpenedRecord, openRecord } from '@tidemark/record/seal';

/** Records without a position (fences, repeats) that may stand between a place that is known and one that is guessed. */
const SLACK = 32;
/** Barriers come often: between two of them there are a few kilobytes, or a batch. */
const READ_BYTES = 256 * 1024;

/** One term as this site's copy holds it. */
export type TermPlace = {
  readonly log: Log;
  /** This site's copy of the term's origin. */
  readonly topic: string;
  readonly term: Term;
  /** By partition: how far this copy holds the term. */
  readonly held: readonly EpochEndAt[];
};

/** Reads of one term; it remembers where records were found, so that neighbours cost no search. */
export class TermReader {
  readonly #place: TermPlace;
  /** By partition: where a record was found last. */
  readonly #known = new Map<number, { readonly offset: number; readonly seq: number }>();

  constructor(place: TermPlace) {
    this.#place = place;
  }

  /** The records from `from` to `to` in their order, each following from the one before; fewer when one is not to be found. */
  async *records(partition: number, from: number, to: number): AsyncGenerator<OpenedRecord> {
    const places = await this.#places(partition, from);
    for (const [i, offset] of places.entries()) {
      const isLast = i === places.length - 1;
      let next = from;
      let before: string | null = null;
      for await (const { record, at } of this.#from(partition, offset)) {
        const { seq, chain } = record.envelope;
        if (seq > next && before === null && !isLast) break;
        if (seq !== next || (before !== null && !chainFollows(record, before))) continue;
        this.#known.set(partition, { offset: at, seq });
        yield record;
        if (seq >= to) return;
        before = chain;
        next++;
      }
      if (before !== null) return;
    }
  }

  /** The newest barrier of which `holds` is true, where it is true of all before one of which it is; null: of none. */
  async newestBarrier(holds: (barrier: ReceivedBarrier) => boolean): Promise<ReceivedBarrier | null> {
    let best: ReceivedBarrier | null = null;
    let low = 0;
    let high = (this.#place.held[0]?.seq ?? -1) + 1;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const found = await this.#barrierIn(middle, high);
      if (found === null || !holds(found)) high = middle;
      else [best, low] = [found, found.seq + 1];
    }
    return best;
  }

  /** The chain at a seq; null: it is not to be found here, or what follows it does not follow from it. */
  async chainAt(partition: number, seq: number): Promise<string | null> {
    const held = this.#place.held[partition];
    if (held === undefined || seq > held.seq) return null;
    if (seq === held.seq) return held.chain;
    const found: OpenedRecord[] = [];
    for await (const record of this.records(partition, seq, seq + 1)) found.push(record);
    return found.length === 2 ? found[0]!.envelope.chain : null;
  }

  /** The rows from `from` up to what is held; null: not all of it is to be found. */
  async rowsFrom(partition: number, from: number): Promise<number | null> {
    const held = this.#place.held[partition]!;
    if (from > held.seq) return 0;
    let rows = 0;
    let chain = '';
    for await (const { envelope } of this.records(partition, from, held.seq)) {
      if (envelope.body.kind === 'Mutate') rows += envelope.body.rowCount;
      chain = envelope.chain;
    }
    return chain === held.chain ? rows : null;
  }

  async #barrierIn(from: number, to: number): Promise<ReceivedBarrier | null> {
    for await (const { envelope } of this.records(0, from, to - 1)) {
      const { body, seq, stampMs } = envelope;
      if (body.kind === 'Barrier') return { seq, stampMs, heads: body.heads, rows: body.rows };
    }
    return null;
  }

  /** Offsets at which to look for a seq: by the distance to one that is known, by halving, and from the start. */
  async #places(partition: number, seq: number): Promise<readonly number[]> {
    const { log, topic, term } = this.#place;
    const { start } = await log.bounds(topic, partition);
    const known = this.#known.get(partition);
    const guess = known === undefined ? null : known.offset + (seq - known.seq) - (seq < known.seq ? SLACK : 0);
    const guessed = guess === null || guess < start ? [] : [guess];
    if (guessed.length > 0 && (await this.#isBefore(partition, guess!, seq))) return guessed;
    // Behind repeats of old records the place may be found too late; then all there is is read.
    return [await findAfter(log, topic, partition, { epoch: term.epoch, seq: seq - 1 }), start];
  }

  /** Whether the first record of the term from the offset on is no later than `seq`, and not far from it. */
  async #isBefore(partition: number, offset: number, seq: number): Promise<boolean> {
    for await (const { record } of this.#from(partition, offset, 1)) {
      return record.envelope.seq <= seq && seq - record.envelope.seq <= SLACK;
    }
    return false;
  }

  async *#from(partition: number, offset: number, batchBytesMax = READ_BYTES) {
    const { log, topic, term } = this.#place;
    const { signal } = new AbortController();
    const read = log.read({ topic, partition, from: offset, signal, untilEnd: true, batchBytesMax });
    for await (const { records } of read) {
      for (const { value, offset: at } of records) {
        const record = opened(value);
        if (record === null || record.envelope.origin !== term.site || record.envelope.epoch !== term.epoch) continue;
        if (record.envelope.seq >= 0) yield { record, at };
      }
    }
  }
}

function opened(value: Uint8Array): OpenedRecord | null {
  try {
    return openRecord(value);
  } catch (error) {
    if (isFault(error, 'corrupt')) return null;
    throw error;
  }
}
