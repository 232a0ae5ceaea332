/**
 * Who is called when a keyspace does not come back by itself: the only log that could close its term without a loss may
 * be gone, and to accept one is for people to decide. A `local` keyspace may need them soon. One with copies has them only
 * where an election says that it waits and that this is the way out, and only after what comes back by itself has had
 * its time: else they would hide an election that never ends.
 */

import type { Accepted } from '../check/accepted.ts';
import { letIn, nominate } from '../faults/operators.ts';
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
  readonly #accepted: Accepted;
  readonly #isLocal: boolean;
  readonly #mayBeAsked: boolean;
  #isNeeded: boolean;
  #isHome = false;
  #asked = 0;
  /** Two processes of a site, or a disk that lost something, may leave another acceptor than there was. */
  readonly #mayLetIn: boolean;
  readonly #letIn = new Set<string>();

  constructor(world: SimWorld, { shape, faults }: Scenario, accepted: Accepted) {
    this.#world = world;
    this.#accepted = accepted;
    this.#mayBeAsked = faults.some(takesAway);
    this.#mayLetIn = this.#mayBeAsked || faults.some(({ kind }) => kind === 'twin');
    this.#isLocal = shape.k === 0;
    this.#isNeeded = this.#isLocal && faults.some(destroys);
    if (this.#isNeeded) world.scheduler.after(PATIENCE_MS, () => void this.#ask());
  }

  /** Whether what was acked may be missing at the end. */
  get mayLose(): boolean {
    return this.#isLocal || this.#isNeeded;
  }

  /** How long writes may be away, where they may be away for `ms` when nobody is needed. */
  mendMs(ms: number): number {
    return this.#isNeeded ? ms + LOSSY_MS : ms;
  }

  /**
   * Writes did not come back: somebody accepts a loss, if an election said that it waits for that.
   * @returns whether they may come back now
   */
  isAsked(): boolean {
    const { waiting } = this.#accepted;
    if (this.#isNeeded || waiting === null || !this.#mayBeAsked) return false;
    this.#world.trace.note('operator', `${waiting} waits: what it cannot know may be lost`);
    this.#isNeeded = true;
    void this.#ask();
    return true;
  }

  /** Where a vote does not count any more, and an alarm names the command: lets it in. */
  letIn(site: string): void {
    if (!this.#mayLetIn || this.#letIn.has(site)) return;
    this.#letIn.add(site);
    letIn(this.#world, site);
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
  return takesAway(fault) || (fault.kind === 'kill' && fault.power);
}

/** Whether something that was promised to be on a disk is gone from it after it. */
function takesAway({ kind }: SimFault): boolean {
  return kind === 'wipe' || kind === 'lost-end' || kind === 'restored' || kind === 'remade' || kind === 'trimmed';
}
