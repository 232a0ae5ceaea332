/**
 * Reading that answers at once when all its blocks are in memory. What looks asks for block after block; the first that
 * is missing is read, and it looks again. So there is one way to look, and no promise where none is needed.
 */

import type { Holdable } from './block-cache.ts';
import type { HeldFile } from './held-file.ts';

/** Blocks of one key in one partition; more misses than this are a bug. */
const MISSES_MAX = 100_000;

/** One is made for every get: nothing of it is private, as setting that up costs more than the rest of it. */
export class Lookup {
  /** Where a key was found last: the block of its segment, and the row in the block. */
  foundBlock = 0;
  foundRow = 0;
  /** Reads what was missing. */
  missing: (() => Promise<void>) | null = null;
  /** Blocks that were read for it: kept until it has answered, as a cache need not keep any. */
  kept: Map<HeldFile<Holdable>, Map<number, Holdable | null>> | null = null;

  /** A block; null when no row of it has a cell; undefined when it has to be read first. */
  block<T extends Holdable>(file: HeldFile<T>, block: number): T | null | undefined {
    const held = file.held(block);
    if (held !== undefined) return held;
    const kept = this.kept?.get(file)?.get(block) as T | null | undefined;
    if (kept === undefined) this.miss(async () => keep(this, file, block, await file.block(block)));
    return kept;
  }

  /** Says what has to be read before looking again; what looks then returns undefined. */
  miss(read: () => Promise<void>): void {
    this.missing = read;
  }

  /** Reads what was missing. */
  async read(): Promise<void> {
    const miss = this.missing;
    this.missing = null;
    await miss!();
  }
}

function keep(lookup: Lookup, file: HeldFile<Holdable>, block: number, read: Holdable | null): void {
  lookup.kept ??= new Map();
  const blocks = lookup.kept.get(file) ?? new Map<number, Holdable | null>();
  lookup.kept.set(file, blocks.set(block, read));
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
