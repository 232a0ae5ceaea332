/** The pause of a keyspace: begun, asked at each record, and ended. */

import type { Position } from '@tidemark/model/position';
import { Fault } from '@tidemark/platform/fault';
import type { ApplyPause } from './apply-pause.ts';
import type { Origins } from './origins.ts';

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
