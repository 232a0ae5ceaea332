/**
 * Stops applying for a moment, so that several sites can be compared at exactly the same positions while writes go on:
 * all are held where they are, the furthest of them names the place, each goes on to there, is read, and goes on.
 */

import { comparePositions, type Position } from '@tidemark/model/position';

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
