/**
 * Reading that answers at once when all its blocks are in memory. What looks asks for part after part; those that are
 * missing are read together, and it looks again. So there is one way to look, and no promise where none is needed.
 */

import type { HeldFile } from './held-file.ts';
import { KeptParts } from './kept-parts.ts';
import type { Part } from './stored-block.ts';

/** Blocks of one key in one partition; more misses than this are a bug. */
const MISSES_MAX = 100_000;

/** One is made for every get: nothing of it is private, as setting that up costs more than the rest of it. */
export class Lookup {
  /** Where a key was found last: the block of its segment, and the row in the block. */
  foundBlock = 0;
  foundRow = 0;
  /** After a miss, whether the block is known, and a row of it near the key's. */
  isNear = false;
  /** Read what was missing. */
  missing: (() => Promise<void>)[] | null = null;
  /** What was read for it: kept until it has answered, as a cache need not keep any. */
  kept: KeptParts | null = null;

  /** The part of a block that has a row; null when no row of it has a cell; undefined when it has to be read first. */
  part<T extends Part>(file: HeldFile<T>, block: number, row: number): T | null | undefined {
    const held = file.heldAt(block, row);
    if (held !== undefined) return held;
    const kept = this.kept?.get(file, block, row);
    if (kept === undefined) {
      this.miss(async () => {
        const read = await file.at(block, row);
        this.kept ??= new KeptParts();
        this.kept.add(file, block, read);
      });
    }
    return kept;
  }

  /** Says what has to be read before looking again; what looks then returns undefined. */
  miss(read: () => Promise<void>): void {
    this.missing ??= [];
    this.missing.push(read);
  }

  /** Reads what was missing, together. */
  async read(): Promise<void> {
    const missing = this.missing!;
    this.missing = null;
    this.isNear = false;
    if (missing.length === 1) return missing[0]!();
    const ends = await Promise.allSettled(missing.map((read) => read()));
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  }
}

/**
 * What `look` finds after reading what it misses; it returns undefined after a miss only, and has missed something
 * before. Looking once without this is what answers at once.
 */
export async function findReading<T>(lookup: Lookup, look: () => T | undefined): Promise<T> {
  for (let misses = 0; misses < MISSES_MAX; misses++) {
    await lookup.read();
    const found = look();
    if (found !== undefined) return found;
  }
  throw new Error(`a lookup that misses ${MISSES_MAX} blocks`);
}
