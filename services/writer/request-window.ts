/** Which requests a partition has seen lately, so that a repeat is answered and not written again. */

import type { Position } from '@tidemark/schema/position';

/** How far back a repeat is known: ten minutes of stamps, and at most so many keys a partition. */
export const WINDOW_MS = 600_000;
const KEYS_MAX = 1_000_000;

export type Seen = { readonly rowCount: number; readonly position: Position; readonly stampMs: number };

/** Oldest first; both bounds hold after every `add`. */
export class RequestWindow {
  readonly #seen = new Map<string, Seen>();

  /** Null for a request not seen, or no longer known. */
  find(requestId: string): Seen | null {
    return this.#seen.get(requestId) ?? null;
  }

  add(requestId: string, seen: Seen): void {
    this.#seen.set(requestId, seen);
    for (const [oldest, { stampMs }] of this.#seen) {
      if (this.#seen.size <= KEYS_MAX && stampMs >= seen.stampMs - WINDOW_MS) break;
      this.#seen.delete(oldest);
    }
  }

  get size(): number {
    return this.#seen.size;
  }
}
