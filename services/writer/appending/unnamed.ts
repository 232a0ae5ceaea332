/**
 * Records of terms that the register does not name any more, of one origin and partition: whether one lies beyond its
 * term's epoch end is said by the next EPOCH_START of that origin, or of whoever led next, so each waits for that.
 */

import type { Envelope, EpochStartBody } from '@tidemark/record/envelope';

/** Beyond an epoch end lies what was under way and not committed: a few megabytes. So much longer nothing has to wait. */
const WAITING_MAX = 100_000;

/** Records waiting for the epoch end that says whether they count; beyond a bound the oldest are taken as counting. */
export class Unnamed {
  readonly #take: (envelope: Envelope) => void;
  #waiting: Envelope[] = [];

  /** @param take of what counts, in its order */
  constructor(take: (envelope: Envelope) => void) {
    this.#take = take;
  }

  add(envelope: Envelope): void {
    this.#waiting.push(envelope);
    if (this.#waiting.length < 2 * WAITING_MAX) return;
    for (const one of this.#waiting.splice(0, WAITING_MAX)) this.#take(one);
  }

  /** The origin began another epoch: it says which one of its own before that left something here, and up to where. */
  began({ ownEpoch, ownEndSeq }: EpochStartBody): void {
    this.closed(ownEpoch, ownEndSeq);
    this.#waiting = [];
  }

  /** Whoever led next says where an epoch of this origin ended. */
  closed(epoch: number, endSeq: number): void {
    const told = this.#waiting.filter((one) => one.epoch === epoch);
    this.#waiting = this.#waiting.filter((one) => one.epoch !== epoch);
    for (const one of told) if (one.seq <= endSeq) this.#take(one);
  }

  /** Of which nobody said whether they count. */
  get left(): readonly Envelope[] {
    return this.#waiting;
  }
}
