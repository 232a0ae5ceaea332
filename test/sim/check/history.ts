/** What clients asked for and heard. A key is one partition's; a write sets two rows of it to one value no other has. */

export type Operation = {
  readonly client: string;
  readonly kind: 'write' | 'read';
  readonly key: string;
  /** What was written, or read: null where nothing was there. */
  readonly value: string | null;
  readonly invokedMs: number;
  /** Infinity for a write of which it is not known whether it was done. */
  readonly returnedMs: number;
};

export type WriteEntry = {
  /** Its idempotency key, and its value. */
  readonly id: string;
  /** The sort key of a row that no other write sets. */
  readonly mark: number;
  /** The mark of an earlier write that this one deletes; null for none. */
  readonly deletes: number | null;
  readonly client: string;
  readonly key: string;
  readonly invokedMs: number;
  /** `failed`: every answer said that nothing of it was stored. */
  outcome: 'under way' | 'acked' | 'unknown' | 'failed';
  returnedMs: number;
  token: string | null;
};

export type ReadEntry = {
  readonly client: string;
  readonly key: string;
  readonly site: string;
  readonly level: 'local' | 'primary' | 'at-least';
  /** Of an `at-least` read: the write it must see, or a later one. */
  readonly after: WriteEntry | null;
  readonly value: string | null;
  readonly invokedMs: number;
  readonly returnedMs: number;
};

export class History {
  readonly writes: WriteEntry[] = [];
  readonly reads: ReadEntry[] = [];

  /**
   * Writes and primary reads of a key, as the linearizability checker wants them.
   * @param counts false: neither the write nor who saw it is part of it
   */
  operations(key: string, counts: (id: string) => boolean): Operation[] {
    const writes = this.writes
      .filter((write) => write.key === key && write.outcome !== 'failed' && counts(write.id))
      .map(({ client, id, invokedMs, returnedMs, outcome }): Operation => {
        const isDone = outcome === 'acked';
        return {
          client,
          kind: 'write',
          key,
          value: id,
          invokedMs,
          returnedMs: isDone ? returnedMs : Number.POSITIVE_INFINITY,
        };
      });
    const reads = this.reads
      .filter((read) => read.key === key && read.level === 'primary' && (read.value === null || counts(read.value)))
      .map(({ client, value, invokedMs, returnedMs }): Operation => {
        return { client, kind: 'read', key, value, invokedMs, returnedMs };
      });
    return [...writes, ...reads].sort((a, b) => a.invokedMs - b.invokedMs);
  }
}
