/** The places that were flushed: what the checkpoint keeps, and where readers may begin. */

import { comparePositions, formatPosition } from '@tidemark/model/position';
import type { Logger } from '@tidemark/platform/logger';
import type { FlushedPlace, Place } from './checkpoint.ts';
import type { Stores } from './stores.ts';

/** For each origin and partition, the log head up to which everything is in column files. */
export class FlushedPlaces {
  readonly #stores: Stores;
  readonly #logger: Logger;
  /** By origin and partition. */
  readonly #places: Map<string, FlushedPlace>;

  constructor(stores: Stores, logger: Logger, places: readonly FlushedPlace[]) {
    this.#stores = stores;
    this.#logger = logger;
    this.#places = new Map(places.map((place) => [keyOf(place.logHead), place]));
  }

  get all(): FlushedPlace[] {
    return [...this.#places.values()];
  }

  /** Null when there is no place, or when a table does not hold what was flushed for it any more. */
  usable(origin: string, partition: number): FlushedPlace | null {
    const key = keyOf({ origin, partition });
    const place = this.#places.get(key);
    if (place === undefined) return null;
    const durable = this.#stores.durable(origin, partition, place.tables);
    if (place.tables.length === 0 || comparePositions(durable, place.logHead) >= 0) return place;
    const message = `keyspace ${this.#stores.keyspace.name}, ${key}: column files stand at ${formatPosition(durable)}, the checkpoint at ${formatPosition(place.logHead)}: building again from the log`;
    this.#logger.warn({ origin, partition }, message);
    this.#places.delete(key);
    return null;
  }

  /** Called when a flush of what was applied up to `places` begins. @returns what to call once it is on disk */
  flushing(places: readonly Place[]): () => void {
    const tables = this.#stores.tableIds;
    return () => {
      for (const place of places) this.#places.set(keyOf(place.logHead), { ...place, tables });
    };
  }
}

function keyOf({ origin, partition }: { readonly origin: string; readonly partition: number }): string {
  return `${origin}/${partition}`;
}
