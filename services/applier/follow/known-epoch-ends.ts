/**
 * Which records of one partition count, whoever wrote them: where the terms ended, as far as it is known. A term is
 * one origin's; of an epoch that a later EPOCH_START passes over, nothing counts. Shared by the folds of all origins.
 */

/** Where an epoch of an origin ended in a partition: its last seq that counts, −1 for none. */
export type EpochEnd = { readonly origin: string; readonly epoch: number; readonly seq: number };

/** What became of an epoch end that was told: known before, or not; or another one stands for the epoch, and that stays. */
export type Learnt = 'new' | 'known' | { readonly other: EpochEnd };

/** One partition's epoch ends and the epochs known to have left nothing there. */
export class KnownEpochEnds {
  readonly #epochEnds = new Map<number, EpochEnd>();
  /** Epochs between the two, both left out, left no record that counts. */
  readonly #gaps = new Map<number, { readonly after: number; readonly before: number }>();

  constructor(epochEnds: readonly EpochEnd[] = []) {
    for (const epochEnd of epochEnds) this.learn(epochEnd);
  }

  /** Every epoch end known, by epoch. */
  get epochEnds(): EpochEnd[] {
    return [...this.#epochEnds.values()].sort((a, b) => a.epoch - b.epoch);
  }

  /** An epoch is closed once: a second epoch end of it that is another one changes nothing, and is a reason for alarm. */
  learn({ origin, epoch, seq }: EpochEnd): Learnt {
    const known = this.#epochEnds.get(epoch);
    if (known === undefined) {
      this.#epochEnds.set(epoch, { origin, epoch, seq });
      return 'new';
    }
    return known.origin === origin && known.seq === seq ? 'known' : { other: known };
  }

  /** The epoch `before` follows on `after`: an EPOCH_START says so. */
  learnFollows(before: number, after: number): void {
    if (before - after > 1) this.#gaps.set(before, { after, before });
  }

  /** Last seq of the origin's epoch that counts, −1 for none; null while that is not decided. */
  epochEndOf(origin: string, epoch: number): number | null {
    const epochEnd = this.#epochEnds.get(epoch);
    if (epochEnd !== undefined) return epochEnd.origin === origin ? epochEnd.seq : -1;
    for (const { after, before } of this.#gaps.values()) if (after < epoch && epoch < before) return -1;
    return null;
  }
}
