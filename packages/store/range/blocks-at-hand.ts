/**
 * The parts of blocks that a range read needs: those in memory at once, the others noted, read together, and kept until it
 * has answered. So there is one way to look, and no promise where all is in memory.
 */

import type { ColumnFile } from '../segment/column-file.ts';
import type { HeldFile } from '../segment/held-file.ts';
import { KeptParts } from '../segment/kept-parts.ts';
import type { Part } from '../segment/stored-block.ts';

/** Parts of blocks for one read, over as many tries as it takes. */
export class BlocksAtHand {
  #missing: (() => Promise<unknown>)[] = [];
  #kept: KeptParts | null = null;

  /** True when something that was asked for has to be read first. */
  get isMissing(): boolean {
    return this.#missing.length > 0;
  }

  /** The part of a block that has a row; null when no row of it has a cell; undefined when it has to be read first. */
  part<T extends Part>(file: HeldFile<T>, block: number, row: number): T | null | undefined {
    const held = file.heldAt(block, row);
    if (held !== undefined) return held;
    const kept = this.#kept?.get(file, block, row);
    if (kept === undefined) {
      this.#missing.push(async () => {
        const read = await file.at(block, row);
        this.#kept ??= new KeptParts();
        this.#kept.add(file, block, read);
      });
    }
    return kept;
  }

  /** A file's footer; undefined when it has to be read first. */
  footer<T extends Part>(file: HeldFile<T>): ColumnFile | undefined {
    if (file.opened === null) this.#missing.push(async () => file.open());
    return file.opened ?? undefined;
  }

  /** Reads all that was missing, together. @throws {Fault} `corrupt`: stored bytes are wrong; names file and block. */
  async read(): Promise<void> {
    const missing = this.#missing;
    this.#missing = [];
    const ends = await Promise.allSettled(missing.map((read) => read()));
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  }
}
