/**
 * Stops applying for a moment, so that several sites can be compared at exactly the same positions while writes go on:
 * all are held where they are, the furthest of them names the place, each goes on to there, is read, and goes on.
 */

import { comparePositions, type Position } from '@tidemark/model/position';
import { Fault } from '@tidemark/platform/fault';
import type { Origins } from './origins.ts';

/** Origin → position by partition. */
export type Positions = Readonly<Record<string, readonly Position[]>>;

/** What a hold lets pass. */
export class ApplyPause {
  readonly id: string;
  /** When it ends by itself, on the monotonic clock. */
  untilMs: number;
  /** Null: nothing at all. */
  #at: Positions | null = null;

  constructor(id: string, untilMs: number) {
    this.id = id;
    this.untilMs = untilMs;
  }

  /** Lets everything pass up to there. */
  advanceTo(at: Positions): void {
    this.#at = at;
  }

  allows(origin: string, partition: number, at: Position): boolean {
    const end = this.#at?.[origin]?.[partition];
    return end !== undefined && comparePositions(at, end) <= 0;
  }
}

/** The one hold that a keyspace may be under. */
export class PausedApply {
  readonly #keyspace: string;
  readonly #origins: Origins;
  #hold: ApplyPause | null = null;

  constructor(keyspace: string, origins: Origins) {
    this.#keyspace = keyspace;
    this.#origins = origins;
  }

  get isHeld(): boolean {
    return this.#hold !== null;
  }

  /** False for what must not be applied yet. */
  allows(origin: string, partition: number, at: Position): boolean {
    return this.#hold === null || this.#hold.allows(origin, partition, at);
  }

  /**
   * Applies nothing more until `release`, and what is being applied is through when this resolves.
   * @throws {Fault} `unavailable`: it is held already.
   */
  async take(hold: ApplyPause): Promise<void> {
    if (this.#hold !== null && this.#hold.id !== hold.id) {
      throw new Fault('unavailable', `keyspace ${this.#keyspace} is being compared already`, { retryAfterMs: 1_000 });
    }
    this.#hold = hold;
    await this.#origins.settled();
  }

  /** The hold with that id; null when it is over. */
  by(id: string): ApplyPause | null {
    return this.#hold?.id === id ? this.#hold : null;
  }

  /** Goes on, as far as the hold says. */
  goOn(): void {
    this.#origins.freed();
  }

  /** Ends the hold, if it is that one. */
  release(id: string): void {
    if (this.#hold?.id !== id) return;
    this.#hold = null;
    this.goOn();
  }
}

/** The furthest of each: where all can be. */
export function furthest(all: readonly Positions[]): Positions {
  const far: Record<string, Position[]> = {};
  for (const positions of all) {
    for (const [origin, known] of Object.entries(positions)) {
      const best = far[origin] ?? [];
      far[origin] = best;
      known.forEach((at, partition) => {
        const before = best[partition];
        if (before === undefined || comparePositions(at, before) > 0) best[partition] = at;
      });
    }
  }
  return far;
}
