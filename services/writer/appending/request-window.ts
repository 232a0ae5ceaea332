/** Which requests a partition has seen lately, so that a repeat is answered and not written again. */

import type { Position } from '@tidemark/model/position';
import type { Timing } from '@tidemark/platform/timing';
import type { Request } from './request.ts';

/** A request that is in the log: what it was, and where it stands. */
export type Seen = {
  readonly request: Request | null;
  readonly rowCount: number;
  readonly position: Position;
  readonly stampMs: number;
};

/** Oldest first; the bounds of time, by stamps, and of count hold after every `add`. */
export class RequestWindow {
  readonly #seen = new Map<string, Seen>();
  readonly #timing: Timing;
  /** Requests with a smaller stamp may have been seen and are not known any more. */
  #forgottenMs = 0;

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
      this.forgetBelow(stampMs + 1);
    }
  }

  /** What was stamped before this is not all known. */
  forgetBelow(stampMs: number): void {
    this.#forgottenMs = Math.max(this.#forgottenMs, stampMs);
  }

  get forgottenMs(): number {
    return this.#forgottenMs;
  }

  get size(): number {
    return this.#seen.size;
  }
}
