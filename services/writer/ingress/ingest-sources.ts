/**
 * What of the ingest topic is in the log already, so that each source record is written once (protocol: the source
 * offset rides in the log record). Kept for every (ingest topic, its partition, log partition, table): a topic that was
 * made again is another one, and its offsets begin anew.
 *
 * An ingest partition is taken in one step after the other, and a step is stored everywhere before the next begins. So
 * of the step that was under way when a writer died some parts are stored and some are not, and all steps before it
 * are: reading on from that step's first offset and skipping what each part has already misses and repeats nothing.
 */

import type { IngestSource } from '@tidemark/record/envelope';

type Known = { readonly first: number; readonly last: number };

/** Where an ingest partition is gone on with. */
export type IngestPlace = {
  /** What source offsets are told by: the topic's identity, `~` and a number behind it once it lost its end. */
  readonly topic: string;
  /** The offset to read on from, and the last one of that step. */
  readonly first: number;
  readonly last: number;
};

/** The newest range of offsets in the log, for each source; kept in the checkpoint as JSON. */
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
  took(partition: number, table: number, { topic, partition: ingestPartition, first, last }: IngestSource): void {
    const key = `${keyOf(topic, ingestPartition)}${partition}/${table}`;
    const known = this.#known.get(key);
    if (known === undefined || last > known.last) this.#known.set(key, { first, last });
  }

  /** Highest offset of an ingest partition whose rows for this log partition and table are stored; −1 for none. */
  stored({ topic, partition: ingestPartition }: IngestSource, partition: number, table: number): number {
    return this.#known.get(`${keyOf(topic, ingestPartition)}${partition}/${table}`)?.last ?? -1;
  }

  /** Where to go on with a partition of the topic with this identity. */
  place(topicId: string, ingestPartition: number): IngestPlace {
    for (let topic = topicId; ; topic = nextOf(topic)) {
      const place = this.#placeOf(topic, ingestPartition);
      if (this.#placeOf(nextOf(topic), ingestPartition).last < 0) return place;
    }
  }

  #placeOf(topic: string, ingestPartition: number): IngestPlace {
    let latest: Known = { first: 0, last: -1 };
    for (const [key, known] of this.#known)
      if (key.startsWith(keyOf(topic, ingestPartition)) && known.last > latest.last) latest = known;
    return { topic, ...latest };
  }
}

/** The same topic after it lost its end: its offsets from `end` on are other records' by now. */
export function afterLostEnd({ topic }: IngestPlace, end: number): IngestPlace {
  return { topic: nextOf(topic), first: end, last: end - 1 };
}

function keyOf(topic: string, ingestPartition: number): string {
  return `${topic} ${ingestPartition}/`;
}

function nextOf(topic: string): string {
  const [id, count = '0'] = topic.split('~');
  return `${id}~${Number(count) + 1}`;
}
