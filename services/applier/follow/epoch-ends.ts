/**
 * Which records of one partition count, whoever wrote them: where the reigns ended, as far as it is known. A reign is
 * one origin's; of an epoch that a later EPOCH_START passes over, nothing counts. Shared by the folds of all origins.
 */

/** Where an epoch of an origin ended in a partition: its last seq that counts, −1 for none. */
export type Cut = { readonly origin: string; readonly epoch: number; readonly seq: number };

/** What became of a cut that was told: known before, or not; or another one stands for the epoch, and that stays. */
export type Learnt = 'new' | 'known' | { readonly other: Cut };

export class Succession {
  readonly #cuts = new Map<number, Cut>();
  /** Epochs between the two, both left out, left no record that counts. */
  readonly #gaps = new Map<number, { readonly after: number; readonly before: number }>();

  constructor(cuts: readonly Cut[] = []) {
    for (const cut of cuts) this.learn(cut);
  }

  /** Every cut known, by epoch. */
  get cuts(): Cut[] {
    return [...this.#cuts.values()].sort((a, b) => a.epoch - b.epoch);
  }

  /** An epoch is closed once: a second cut of it that is another one changes nothing, and is a reason for alarm. */
  learn({ origin, epoch, seq }: Cut): Learnt {
    const known = this.#cuts.get(epoch);
    if (known === undefined) {
      this.#cuts.set(epoch, { origin, epoch, seq });
      return 'new';
    }
    return known.origin === origin && known.seq === seq ? 'known' : { other: known };
  }

  /** The epoch `before` follows on `after`: an EPOCH_START says so. */
  learnFollows(before: number, after: number): void {
    if (before - after > 1) this.#gaps.set(before, { after, before });
  }

  /** Last seq of the origin's epoch that counts, −1 for none; null while that is not decided. */
  cutOf(origin: string, epoch: number): number | null {
    const cut = this.#cuts.get(epoch);
    if (cut !== undefined) return cut.origin === origin ? cut.seq : -1;
    for (const { after, before } of this.#gaps.values()) if (after < epoch && epoch < before) return -1;
    return null;
  }
}
