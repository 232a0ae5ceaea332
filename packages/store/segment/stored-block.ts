/** A block of one column file, decoded as far as it was asked for. */

import type { Physical } from '@tidemark/model/column-type';
import { decodeBlock } from '../encoding/block-decoder.ts';
import { type Chunk, memoryOf } from '../encoding/chunk.ts';
import { Stamps } from '../encoding/stamp-codec.ts';
import type { Holdable } from './block-cache.ts';

/** Stamps decoded take about so many times their bytes. */
const STAMPS_GROWTH = 4;

/** A block of cells, unpacked, and its stamps, which are decoded when first asked for. */
export class StoredBlock implements Holdable {
  readonly cells: Chunk;
  readonly memoryBytes: number;
  readonly #stampSections: readonly Uint8Array[];
  #stamps: Stamps | null = null;

  /** Section 0 is the cells; 1–3, where they are, the stamps of some rows. @throws {Fault} `corrupt`. */
  constructor(sections: readonly Uint8Array[], rowCount: number, kind: Physical) {
    this.cells = decodeBlock(sections[0]!, rowCount, kind);
    this.#stampSections = sections.slice(1).map((section) => new Uint8Array(section));
    const stampBytes = this.#stampSections.reduce((sum, section) => sum + section.length, 0);
    this.memoryBytes = 256 + memoryOf(this.cells) + stampBytes * STAMPS_GROWTH;
  }

  /** Rows that have a stamp of their own here; null when none has. @throws {Fault} `corrupt`. */
  get stamps(): Stamps | null {
    if (this.#stampSections.length === 0) return null;
    this.#stamps ??= new Stamps(this.#stampSections, this.cells.rowCount);
    return this.#stamps;
  }
}

/** The put stamps of a block. */
export class StoredStamps implements Holdable {
  /** Null when no row of the block has one. */
  readonly stamps: Stamps | null;
  readonly memoryBytes: number;

  constructor(sections: readonly Uint8Array[], rowCount: number) {
    this.stamps = sections.length === 0 ? null : new Stamps(sections, rowCount);
    this.memoryBytes = 256 + rowCount * 16;
  }
}
