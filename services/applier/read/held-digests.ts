/** The site's side of a comparison: holds a keyspace where it is, and takes its digests at a place all sites reach. */

import { parsed } from '@tidemark/model/parsed';
import { comparePositions, type Position } from '@tidemark/model/position';
import { ROUTES } from '@tidemark/peer/routes';
import type { HeldAnswer } from '@tidemark/peer/shapes';
import type { Clock } from '@tidemark/platform/clock';
import { Fault } from '@tidemark/platform/fault';
import { digestOf, type PartitionDigest } from '@tidemark/store/digest';
import type { GcWatermark } from '@tidemark/store/gc-watermark';
import type { KeyspaceApplier } from '../applier.ts';
import { ApplyPause, type Positions } from '../follow/apply-pause.ts';

/** How long nothing may be held after a hold that nobody made use of, for each ms that it lasted. */
const REST_FACTOR = 2;

/**
 * Answers of this site to comparisons; a hold is bounded in time, and after one that nobody made use of applying goes
 * on for a while.
 */
export class HeldDigests {
  readonly #site: string;
  readonly #clock: Clock;
  /** Keyspace → until when it is not held again: its applying goes on first. */
  readonly #restUntilMs = new Map<string, number>();

  constructor(site: string, clock: Clock) {
    this.#site = site;
    this.#clock = clock;
  }

  /** @throws {Fault} `invalid`: not what is asked here. `unavailable`: another comparison is under way, or this is over. */
  async answer(applier: KeyspaceApplier, body: unknown, signal: AbortSignal): Promise<HeldAnswer> {
    const { id, at, gcWatermark, forMs } = parsed(ROUTES.held.asks, body, 'comparison');
    if (at === null) return this.#hold(applier, id, forMs);
    return this.#digest(applier, id, { at, gcWatermark }, forMs, signal);
  }

  async #hold(applier: KeyspaceApplier, id: string, forMs: number): Promise<HeldAnswer> {
    const { name } = applier.stores.keyspace;
    const restMs = (this.#restUntilMs.get(name) ?? 0) - this.#clock.monotonicMs();
    if (restMs > 0) {
      const message = `keyspace ${name} was held for nothing, and goes on first`;
      throw new Fault('unavailable', message, { retryAfterMs: restMs });
    }
    const hold = new ApplyPause(id, this.#clock.monotonicMs() + forMs);
    await applier.holding.take(hold);
    void this.#endInTime(applier, hold, forMs);
    return this.#answer(applier, null);
  }

  /** Whoever asked may be gone. */
  async #endInTime(applier: KeyspaceApplier, hold: ApplyPause, forMs: number): Promise<void> {
    while (applier.holding.by(hold.id) === hold && this.#clock.monotonicMs() < hold.untilMs) {
      await this.#clock.sleep(hold.untilMs - this.#clock.monotonicMs());
    }
    if (applier.holding.by(hold.id) === hold) {
      this.#restUntilMs.set(applier.stores.keyspace.name, this.#clock.monotonicMs() + forMs * REST_FACTOR);
    }
    applier.holding.release(hold.id);
  }

  async #digest(
    applier: KeyspaceApplier,
    id: string,
    { at, gcWatermark }: { readonly at: Positions; readonly gcWatermark: GcWatermark | null },
    forMs: number,
    signal: AbortSignal,
  ): Promise<HeldAnswer> {
    const hold = applier.holding.by(id);
    if (hold === null) throw new Fault('unavailable', `comparison ${id} is over at ${this.#site}`);
    hold.advanceTo(at);
    hold.untilMs = this.#clock.monotonicMs() + forMs;
    applier.holding.goOn();
    try {
      const isThere = (): boolean => reaches(applier, at);
      const reached = await applier.progress.until(isThere, forMs, signal);
      if (!reached || applier.holding.by(id) !== hold) return this.#answer(applier, null);
      const { keyspace } = applier.stores;
      const stores = keyspace.tables.map((table) => applier.stores.tableStore(table.id)!);
      // Taken in one step: what is applied after it is in none of them.
      const all = stores.map((store) => store.partitions.map((partition) => partition.snapshot()));
      const answer = this.#answer(applier, null);
      applier.holding.release(id);
      const digests: Record<string, PartitionDigest[]> = {};
      for (const [i, { table }] of stores.entries()) {
        const parts: PartitionDigest[] = [];
        for (const taken of all[i]!) {
          const snapshot = await taken;
          try {
            parts.push(await digestOf(snapshot, gcWatermark));
          } finally {
            snapshot.release();
          }
        }
        digests[table.name] = parts;
      }
      return { ...answer, digests };
    } finally {
      applier.holding.release(id);
    }
  }

  #answer(applier: KeyspaceApplier, digests: HeldAnswer['digests']): HeldAnswer {
    return {
      site: this.#site,
      version: applier.stores.keyspace.version,
      positions: applier.origins.positions,
      gcWatermark: applier.stores.forgotten,
      digests,
    };
  }
}

function reaches(applier: KeyspaceApplier, at: Positions): boolean {
  return Object.entries(at).every(([origin, known]) => {
    return known.every((wanted: Position, partition) => {
      return comparePositions(applier.origins.applied(origin, partition), wanted) >= 0;
    });
  });
}
