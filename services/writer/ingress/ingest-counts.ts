/** What is told of the ingest topic: how much of it was taken, and how much waits. */

type Bounds = { readonly start: number; readonly end: number };

/** Where a partition ends, and the first offset of it that is not in the log yet. */
type Heard = { readonly end: number; readonly next: number };

/** Counters of one keyspace's ingest topic since this term began. */
export class IngestCounts {
  /** Records of the topic that were dealt with, one way or the other. */
  read = 0;
  /** Rows that were written. */
  rows = 0;
  /** Records that were set aside. */
  rejected = 0;
  /** Records that were gone before they were read. */
  missed = 0;
  readonly #heard = new Map<number, Heard>();

  /** Records that wait, in the partitions of which that is known; null while it is known of none. */
  get lagRecords(): number | null {
    if (this.#heard.size === 0) return null;
    let lag = 0;
    for (const { end, next } of this.#heard.values()) lag += Math.max(0, end - next);
    return lag;
  }

  get told(): Pick<IngestCounts, 'read' | 'rows' | 'rejected' | 'missed' | 'lagRecords'> {
    const { read, rows, rejected, missed, lagRecords } = this;
    return { read, rows, rejected, missed, lagRecords };
  }

  heard(partition: number, end: number, next: number): void {
    this.#heard.set(partition, { end, next });
  }

  forget(partition: number): void {
    this.#heard.delete(partition);
  }

  /** Asks for the ends of partitions that have something to do: those that wait are told of what is new. */
  async look(bounds: (partition: number) => Promise<Bounds>): Promise<void> {
    for (const [partition, { end, next }] of this.#heard) {
      if (end <= next) continue;
      const found = await bounds(partition).catch(() => null);
      const now = this.#heard.get(partition);
      if (found !== null && now !== undefined && now.end > now.next) this.heard(partition, found.end, now.next);
    }
  }
}
