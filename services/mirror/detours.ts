/**
 * Where a replicator turns when its usual source has not got the next record any more: that was trimmed away there, or is
 * damaged. Other sites' copies of the origin may still have it. One after the other is read to its end, then the usual
 * source again; what nobody has is said, and does not come back by itself.
 */

import type { Source } from './source.ts';

/** How a turn of reading one source ended: `lacks` says that it was read through and what comes next is not in it. */
export type Turn = { readonly source: Source; readonly copied: number; readonly lacks: string | null };

/** Which other source one replicator reads at the moment; it does no reading itself. */
export class Detours {
  /** True once every source was read through, and none has what comes next. */
  isStranded = false;
  #lacks: string | null = null;
  readonly #others: readonly Source[];
  #left: readonly Source[] = [];

  /** @param others in the order in which they are tried */
  constructor(others: readonly Source[]) {
    this.#others = others;
  }

  /** Why the copy does not simply follow its usual source; null while it does. */
  get trouble(): string | null {
    return this.#lacks !== null && this.isStranded ? `${this.#lacks}; no site that answers has it` : this.#lacks;
  }

  /** The source to read now in place of the usual one; null for none. */
  get current(): Source | null {
    return this.#left[0] ?? null;
  }

  /** The usual source was read and gave something, or a new one takes its place. */
  over(): void {
    this.#lacks = null;
    this.isStranded = false;
    this.#left = [];
  }

  /** @returns true when there is nothing better to do than to wait and try the usual source again */
  ended({ source, copied, lacks }: Turn): boolean {
    if (source !== this.current) {
      if (lacks === null) return false;
      this.#lacks = lacks;
      this.#left = this.#others;
      if (this.#left.length === 0) this.isStranded = true;
      return this.#left.length === 0;
    }
    this.#left = copied > 0 ? [] : this.#left.slice(1);
    if (copied > 0) this.isStranded = false;
    if (copied > 0 || this.#left.length > 0) return false;
    this.isStranded = true;
    return true;
  }
}
