/** A file of a segment: opened when first needed, its blocks held in memory for a while. */

import type { Disk } from '@tidemark/platform/disk';
import { Fault } from '@tidemark/platform/fault';
import { type BlockCache, CacheSlot, type Holdable } from './block-cache.ts';
import { ColumnFile } from './column-file.ts';
import type { SegmentFile } from './manifest.ts';

type HeldFilePlan<T extends Holdable> = {
  readonly disk: Disk;
  /** The segment's. */
  readonly folder: string;
  readonly summary: SegmentFile;
  readonly cache: BlockCache;
  /** What is held of a block; there is at least one section. */
  readonly make: (sections: readonly Buffer[], rowCount: number) => T;
  /** Rows that `key.col` has in a block. */
  readonly rowsOf: (block: number) => number;
  /** The file, if it is open already. */
  readonly opened: ColumnFile | null;
};

/** One file by its summary; blocks come from the cache, or are read and checked. */
export class HeldFile<T extends Holdable> {
  readonly summary: SegmentFile;
  readonly path: string;
  readonly #plan: HeldFilePlan<T>;
  readonly #slots: CacheSlot<T>[] = [];
  #opening: Promise<ColumnFile> | null = null;
  #opened: ColumnFile | null = null;

  constructor(plan: HeldFilePlan<T>) {
    this.#plan = plan;
    this.summary = plan.summary;
    this.#opened = plan.opened;
    this.path = `${plan.folder}/${plan.summary.name}`;
  }

  /** The file, once it was opened; null before. */
  get opened(): ColumnFile | null {
    return this.#opened;
  }

  /** @throws {Fault} as `ColumnFile.open`; `corrupt` when it is not what the manifest says. */
  open(): ColumnFile | Promise<ColumnFile> {
    if (this.#opened !== null) return this.#opened;
    this.#opening ??= this.#open();
    return this.#opening;
  }

  /** A block that is in memory; null when no row of it has a cell; undefined when it has to be read. */
  held(block: number): T | null | undefined {
    const slot = this.#slots[block];
    if (slot !== undefined && slot.block !== null) {
      slot.isUsed = true;
      return slot.block;
    }
    return this.#opened !== null && this.#opened.block(block) === undefined ? null : undefined;
  }

  /** A block; null when no row of it has a cell. @throws {Fault} as `sections`. */
  async block(block: number): Promise<T | null> {
    const held = this.held(block);
    if (held !== undefined) return held;
    if ((await this.open()).block(block) === undefined) return null;
    this.#slots[block] ??= new CacheSlot<T>();
    return this.#plan.cache.get(this.#slots[block], async () => {
      return this.#plan.make(await this.sections(block), this.#plan.rowsOf(block));
    });
  }

  /** The bytes of a block; no section when no row of it has a cell. @throws {Fault} `corrupt`: names file and block. */
  async sections(block: number): Promise<Buffer[]> {
    const file = await this.open();
    const [got, expected] = [file.block(block)?.rows ?? null, this.#plan.rowsOf(block)];
    if (got !== null && got !== expected) {
      throw new Fault('corrupt', `${file.path}, block ${block}: ${got} rows, key.col has ${expected}`, {
        got,
        expected,
        path: file.path,
      });
    }
    return file.readBlock(block);
  }

  async #open(): Promise<ColumnFile> {
    const { disk, summary } = this.#plan;
    try {
      const opened = await ColumnFile.open(disk, this.path, summary.bytes);
      const { column, kind } = opened.content;
      if (column !== summary.column || kind !== summary.kind) {
        const [got, expected] = [`column ${column}, ${kind}`, `column ${summary.column}, ${summary.kind}`];
        const message = `${opened.path} holds ${got}; the manifest says ${expected}`;
        throw new Fault('corrupt', message, { got, expected, path: this.path });
      }
      this.#opened = opened;
      return opened;
    } catch (error) {
      // What failed once may work the next time.
      this.#opening = null;
      throw error;
    }
  }
}
