/** Which requests a partition has seen lately, so that a repeat is answered and not written again. */

import type { Position } from '@tidemark/schema/position';
import type { Timing } from '@tidemark/world/timing';

export type Seen = { readonly rowCount: number; readonly position: Position; readonly stampMs: number };

/** Oldest first; both bounds hold after every `add`. */
export class RequestWindow {
  readonly #seen = new Map<string, Seen>();
  readonly #timing: Timing;

  constructor(timing: Timing) {
    this.#timing = timing;
  }

  /** Null for a request not seen, or no longer known. */
  find(requestId: string): Seen | null {
    return this.#seen.get(requestId) ?? null;
  }

  add(requestId: string, seen: Seen): void {
    const { requestKeysMax, requestWindowMs } = this.#timing;
    this.#seen.set(requestId, seen);
    for (const [oldest, { stampMs }] of this.#seen) {
      if (this.#seen.size <= requestKeysMax && stampMs >= seen.stampMs - requestWindowMs) break;
      this.#seen.delete(oldest);
    }
  }

  get size(): number {
    return this.#seen.size;
  }
}
