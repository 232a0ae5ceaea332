/** A block of one column file, or one unit of it, decoded as far as it was asked for. */

import type { Physical } from '@tidemark/model/column-type';
import { Fault } from '@tidemark/platform/fault';
import { type Dictionary, decodeBlock, decodeDictionary } from '../encoding/block-decoder.ts';
import { type Chunk, memoryOf } from '../encoding/chunk.ts';
import { joinChunks } from '../encoding/join-chunks.ts';
import { Stamps, type StampUnit } from '../encoding/stamp-codec.ts';
import type { Holdable } from './block-cache.ts';

/** Stamps decoded take about so many times their bytes. */
const STAMPS_GROWTH = 4;
/** Objects of a block or unit that is held. */
const HELD_BYTES = 256;

/** Units of a block that follow one another, unpacked. */
export type UnitBytes = {
  /** Of the first unit's first row in the block. */
  readonly firstRow: number;
  readonly units: readonly { readonly sections: readonly Buffer[]; readonly rowCount: number }[];
  /** What codes are of; null when the block has none. */
  readonly dictionary: Dictionary | null;
};

/** Rows of a block that are held together. */
export type Part = Holdable & {
  /** Of its first row in the block. */
  readonly firstRow: number;
  readonly rowCount: number;
};

/** The texts of a block's dictionary. */
export class StoredDictionary implements Holdable {
  readonly dictionary: Dictionary;
  readonly memoryBytes: number;

  /** @throws {Fault} `corrupt`. */
  constructor(page: Uint8Array) {
    this.dictionary = decodeDictionary(page);
    this.memoryBytes = HELD_BYTES + this.dictionary.arena.length + this.dictionary.entryCount * 8;
  }
}

/** The first section of each unit as one chunk. @throws {Fault} `corrupt`. */
export function cellsOf({ units, dictionary }: UnitBytes, kind: Physical): Chunk {
  return joinChunks(
    units.map(({ sections, rowCount }) => {
      const [cells] = sections;
      if (cells === undefined) throw new Fault('corrupt', 'a unit without a section of cells', { got: 0, expected: 1 });
      return decodeBlock(cells, rowCount, kind, dictionary);
    }),
    kind,
  );
}

/** Sections of stamps from that place on; null when no unit has any. */
export function stampUnits({ units }: UnitBytes, place: number): readonly StampUnit[] | null {
  if (units.every(({ sections }) => sections.length <= place)) return null;
  return units.map(({ sections, rowCount }) => ({ sections: sections.slice(place), rowCount }));
}

/** Cells, unpacked, and their stamps, which are decoded when first asked for. */
export class StoredBlock implements Part {
  readonly firstRow: number;
  readonly cells: Chunk;
  readonly memoryBytes: number;
  readonly #stampUnits: readonly StampUnit[] | null;
  #stamps: Stamps | null = null;

  /**
   * Section 0 is the cells; 1–3, where they are, the stamps of some rows.
   * @param isWhole false: others have the dictionary too
   * @throws {Fault} `corrupt`
   */
  constructor(bytes: UnitBytes, kind: Physical, isWhole: boolean) {
    this.firstRow = bytes.firstRow;
    this.cells = cellsOf(bytes, kind);
    const stamps = stampUnits(bytes, 1);
    this.#stampUnits =
      stamps?.map(({ sections, rowCount }) => ({ sections: sections.map((one) => new Uint8Array(one)), rowCount })) ??
      null;
    const stampBytes = (this.#stampUnits ?? [])
      .flatMap(({ sections }) => sections)
      .reduce((sum, { length }) => sum + length, 0);
    const { dictionary } = bytes;
    const isShared =
      !isWhole && dictionary !== null && this.cells.form === 'bytes' && this.cells.starts === dictionary.starts;
    const shared = isShared ? dictionary.arena.length + dictionary.entryCount * 8 : 0;
    this.memoryBytes = HELD_BYTES + memoryOf(this.cells) - shared + stampBytes * STAMPS_GROWTH;
  }

  get rowCount(): number {
    return this.cells.rowCount;
  }

  /** Rows that have a stamp of their own here, by their numbers in it; null when none has. @throws {Fault} `corrupt`. */
  get stamps(): Stamps | null {
    if (this.#stampUnits === null) return null;
    this.#stamps ??= new Stamps(this.#stampUnits);
    return this.#stamps;
  }
}

/** Put stamps. */
export class StoredStamps implements Part {
  readonly firstRow: number;
  readonly rowCount: number;
  /** Null when no row of it has one. */
  readonly stamps: Stamps | null;
  readonly memoryBytes: number;

  constructor(bytes: UnitBytes) {
    const units = stampUnits(bytes, 0);
    this.firstRow = bytes.firstRow;
    this.rowCount = bytes.units.reduce((sum, { rowCount }) => sum + rowCount, 0);
    this.stamps = units === null ? null : new Stamps(units);
    this.memoryBytes = HELD_BYTES + this.rowCount * 16;
  }
}
