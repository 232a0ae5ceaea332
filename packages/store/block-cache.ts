/** Blocks that point reads decoded lately, so that reading row after row does not decode a block each time. */

import type { Rows } from './rows.ts';

export class BlockCache {
  readonly #bytesMax: number;
  /** Least recently used first. */
  readonly #blocks = new Map<string, { readonly rows: Rows; readonly bytes: number }>();
  #bytes = 0;

  /** Memory it may hold; a block that is larger is not kept. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** The block of that name, made by `read` when it is not held. */
  async get(name: string, read: () => Promise<Rows>): Promise<Rows> {
    const held = this.#blocks.get(name);
    if (held !== undefined) {
      this.#blocks.delete(name);
      this.#blocks.set(name, held);
      return held.rows;
    }
    const rows = await read();
    if (!this.#blocks.has(name)) this.#hold(name, rows);
    return rows;
  }

  #hold(name: string, rows: Rows): void {
    const { memoryBytes } = rows;
    if (memoryBytes > this.#bytesMax) return;
    this.#blocks.set(name, { rows, bytes: memoryBytes });
    this.#bytes += memoryBytes;
    for (const [oldest, { bytes }] of this.#blocks) {
      if (this.#bytes <= this.#bytesMax) return;
      this.#blocks.delete(oldest);
      this.#bytes -= bytes;
    }
  }
}
