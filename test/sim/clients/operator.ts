/**
 * Who is called when a `local` keyspace does not come back by itself: its primary may have lost the only log that could
 * close its term without a loss, and to accept one is for people to decide.
 */

import { nominate } from '../faults/operators.ts';
import type { SimFault } from '../faults/sim-fault.ts';
import type { Scenario } from '../scenario.ts';
import type { SimWorld } from '../world.ts';

/** Until then it may come back without anybody. */
const PATIENCE_MS = 20_000;
/** Whom nobody hears, or who refuses, is asked no more for now. */
const AGAIN_MS = 2_000;
/** An accepted loss waits for the lease first. */
const ELECTION_MS = 35_000;
/** So much longer may writes be away where somebody has to be called. */
const LOSSY_MS = 90_000;
const ASKED_MAX = 100;

export class Operator {
  readonly #world: SimWorld;
  readonly #isNeeded: boolean;
  #isHome = false;
  #asked = 0;

  constructor(world: SimWorld, { shape, faults }: Scenario) {
    this.#world = world;
    this.#isNeeded = shape.k === 0 && faults.some(destroys);
    if (this.#isNeeded) world.scheduler.after(PATIENCE_MS, () => void this.#ask());
  }

  /** How long writes may be away, where they may be away for `ms` when nobody is needed. */
  mendMs(ms: number): number {
    return this.#isNeeded ? ms + LOSSY_MS : ms;
  }

  goHome(): void {
    this.#isHome = true;
  }

  async #ask(): Promise<void> {
    const { dataNames, scheduler } = this.#world;
    while (!this.#isHome && this.#asked < ASKED_MAX) {
      const site = dataNames[++this.#asked % dataNames.length]!;
      const wish = { kind: 'nominate', site, cause: 'failover', loss: 'received', atMs: 0, forMs: 1 } as const;
      const isHeard = await nominate(this.#world, wish);
      await scheduler.sleep(isHeard ? ELECTION_MS : AGAIN_MS);
    }
  }
}

/** Whether something is gone from a disk after it. */
function destroys(fault: SimFault): boolean {
  if (fault.kind === 'kill') return fault.power;
  return fault.kind === 'wipe' || fault.kind === 'lost-end';
}
