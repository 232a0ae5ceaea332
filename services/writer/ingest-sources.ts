/**
 * What of the ingest topic is in the log already, so that each source record is written once (protocol: the source
 * offset rides in the log record). Kept for every (log partition, table, ingest partition).
 *
 * An ingest partition is taken in one step after the other, and a step is stored everywhere before the next begins. So
 * of the step that was under way when a writer died some parts are stored and some are not, and all steps before it
 * are: reading on from that step's first offset and skipping what each part has already misses and repeats nothing.
 */

import type { IngestSource } from '@tidemark/schema/envelope';

type Known = { readonly first: number; readonly last: number };

export class IngestSources {
  readonly #known = new Map<string, Known>();

  static fromJson(entries: readonly (readonly [string, Known])[]): IngestSources {
    const sources = new IngestSources();
    for (const [key, known] of entries) sources.#known.set(key, known);
    return sources;
  }

  toJson(): [string, Known][] {
    return [...this.#known];
  }

  /** Notes that a record with this source is stored. */
  took(partition: number, table: number, { partition: ingestPartition, first, last }: IngestSource): void {
    const key = `${ingestPartition}/${partition}/${table}`;
    const known = this.#known.get(key);
    if (known === undefined || last > known.last) this.#known.set(key, { first, last });
  }

  /** Highest offset of an ingest partition whose rows for this log partition and table are stored; −1 for none. */
  stored(ingestPartition: number, partition: number, table: number): number {
    return this.#known.get(`${ingestPartition}/${partition}/${table}`)?.last ?? -1;
  }

  /** The offset of an ingest partition to read on from. */
  resumeAt(ingestPartition: number): number {
    let latest: Known = { first: 0, last: -1 };
    for (const [key, known] of this.#known) {
      if (key.startsWith(`${ingestPartition}/`) && known.last > latest.last) latest = known;
    }
    return latest.first;
  }
}
