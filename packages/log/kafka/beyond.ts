/**
 * Looks for where a log can be read again behind a place at which it cannot: by doubling the distance, then by halving it.
 * Pure: it says which offset to try, and is told what came of it.
 */

export class Beyond {
  /** The first offset that cannot be read. */
  readonly from: number;
  /** Why. */
  readonly damage: string;
  #unreadable: number;
  #readable: number | null = null;
  #step = 1;

  constructor(from: number, damage: string) {
    this.from = from;
    this.damage = damage;
    this.#unreadable = from;
  }

  /** The next offset to try; null: `found` is where reading goes on. @param end offset after the log's last record */
  probe(end: number): number | null {
    this.#readable ??= this.#unreadable + this.#step >= end ? Math.max(end, this.from + 1) : null;
    if (this.#readable === null) return this.#unreadable + this.#step;
    if (this.#readable - this.#unreadable <= 1) return null;
    return Math.floor((this.#unreadable + this.#readable) / 2);
  }

  /** @param at what was tried @param isReadable whether a batch begins there, or lies across it */
  told(at: number, isReadable: boolean): void {
    if (isReadable) this.#readable = at;
    else {
      this.#unreadable = at;
      this.#step *= 2;
    }
  }

  get found(): number {
    return this.#readable!;
  }
}
