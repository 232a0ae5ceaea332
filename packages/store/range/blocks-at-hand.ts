/**
 * The blocks that a range read needs: those in memory at once, the others noted, read together, and kept until it has
 * answered. So there is one way to look, and no promise where all is in memory.
 */

import type { Holdable } from '../segment/block-cache.ts';
import type { ColumnFile } from '../segment/column-file.ts';
import type { HeldFile } from '../segment/held-file.ts';

/** Blocks for one read, over as many tries as it takes. */
export class BlocksAtHand {
  #missing: (() => Promise<unknown>)[] = [];
  /** What was read for this read: a cache need not keep any of it. */
  #kept: Map<HeldFile<Holdable>, Map<number, Holdable | null>> | null = null;

  /** True when something that was asked for has to be read first. */
  get isMissing(): boolean {
    return this.#missing.length > 0;
  }

  /** A block; null when no row of it has a cell; undefined when it has to be read first. */
  block<T extends Holdable>(file: HeldFile<T>, block: number): T | null | undefined {
    const held = file.held(block);
    if (held !== undefined) return held;
    const kept = this.#kept?.get(file)?.get(block) as T | null | undefined;
    if (kept === undefined) this.#missing.push(async () => this.#keep(file, block, await file.block(block)));
    return kept;
  }

  /** A file's footer; undefined when it has to be read first. */
  footer<T extends Holdable>(file: HeldFile<T>): ColumnFile | undefined {
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

  /** Lets go of what was read. */
  clear(): void {
    this.#kept = null;
  }

  #keep(file: HeldFile<Holdable>, block: number, read: Holdable | null): void {
    this.#kept ??= new Map();
    const blocks = this.#kept.get(file) ?? new Map<number, Holdable | null>();
    this.#kept.set(file, blocks.set(block, read));
  }
}
