/** A file of a segment: opened when first needed, its blocks and units held in memory for a while. */

import type { Disk } from '@tidemark/platform/disk';
import { Fault } from '@tidemark/platform/fault';
import { type BlockCache, CacheSlot } from './block-cache.ts';
import { type Block, ColumnFile, unitsOf } from './column-file.ts';
import type { SegmentFile } from './manifest.ts';
import { type Part, StoredDictionary, type UnitBytes } from './stored-block.ts';

type HeldFilePlan<T extends Part> = {
  readonly disk: Disk;
  /** The segment's. */
  readonly folder: string;
  readonly summary: SegmentFile;
  readonly cache: BlockCache;
  /** What is held of a block, or of some of its rows. */
  readonly make: (bytes: UnitBytes, isWhole: boolean) => T;
  /** Rows that `key.col` has in a block. */
  readonly rowsOf: (block: number) => number;
  /** The file, if it is open already. */
  readonly opened: ColumnFile | null;
};

/** Once so many of a block's units were missed, the block is read whole, where there is room for it. */
const MISSED_SHARE_MAX = 1 / 4;
/** A block decoded takes about so many times its bytes. */
const DECODED_GROWTH = 2;

/** The units of a block of which one was asked for. */
type HeldUnits<T extends Part> = {
  readonly rows: number;
  readonly slots: CacheSlot<T>[];
  readonly dictionary: CacheSlot<StoredDictionary> | null;
  missed: number;
};

/** One file by its summary; blocks and units come from the cache, or are read and checked. */
export class HeldFile<T extends Part> {
  readonly summary: SegmentFile;
  readonly path: string;
  readonly #plan: HeldFilePlan<T>;
  readonly #slots: CacheSlot<T>[] = [];
  readonly #units: (HeldUnits<T> | undefined)[] = [];
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

  /** A block that is in memory whole; null when no row of it has a cell; undefined when it has to be read. */
  held(block: number): T | null | undefined {
    const slot = this.#slots[block];
    if (slot !== undefined && slot.block !== null) {
      slot.isUsed = true;
      return slot.block;
    }
    return this.#opened !== null && this.#opened.block(block) === undefined ? null : undefined;
  }

  /** What is in memory of a block and has that row of it, else as `held`. */
  heldAt(block: number, row: number): T | null | undefined {
    const whole = this.held(block);
    if (whole !== undefined) return whole;
    const units = this.#units[block];
    const slot = units?.slots[Math.floor(row / units.rows)];
    if (slot === undefined || slot.block === null) return undefined;
    slot.isUsed = true;
    // Spared with its units, as they have it too.
    if (units!.dictionary !== null) units!.dictionary.isUsed = true;
    return slot.block;
  }

  /** A block; null when no row of it has a cell. @throws {Fault} as `bytes`. */
  async block(block: number): Promise<T | null> {
    const held = this.held(block);
    if (held !== undefined) return held;
    if ((await this.open()).block(block) === undefined) return null;
    this.#slots[block] ??= new CacheSlot<T>();
    const { cache, make } = this.#plan;
    return cache.get(this.#slots[block], async () => {
      const read = make((await this.bytes(block))!, true);
      for (const slot of this.#units[block]?.slots ?? []) if (slot !== undefined) cache.drop(slot);
      this.#units[block] = undefined;
      return read;
    });
  }

  /** The unit of a block that has a row, or the block; null when no row of the block has a cell. Throws as `bytes`. */
  async at(block: number, row: number): Promise<T | null> {
    const held = this.heldAt(block, row);
    if (held !== undefined) return held;
    const known = (await this.open()).block(block);
    if (known === undefined) return null;
    this.#units[block] ??= {
      rows: known.unitRows,
      slots: [],
      dictionary: known.dictionary ? new CacheSlot<StoredDictionary>() : null,
      missed: 0,
    };
    const units = this.#units[block];
    const unit = Math.floor(row / units.rows);
    const slot = units.slots[unit];
    if (slot === undefined || (slot.block === null && slot.reading === null)) units.missed++;
    if (units.missed > unitsOf(known) * MISSED_SHARE_MAX && this.#hasRoomFor(known)) return this.block(block);
    units.slots[unit] ??= new CacheSlot<T>();
    return this.#plan.cache.get(units.slots[unit], () => this.#readUnit(units, block, unit));
  }

  /** The bytes of a block; null when no row of it has a cell. @throws {Fault} `corrupt`: names file and block. */
  async bytes(block: number): Promise<UnitBytes | null> {
    const file = await this.open();
    const known = this.#check(file, block);
    if (known === null) return null;
    const { dictionary, units } = await file.readBlock(block);
    return {
      firstRow: 0,
      dictionary: dictionary === null ? null : new StoredDictionary(dictionary).dictionary,
      units: units.map((sections, unit) => ({ sections, rowCount: rowsOfUnit(known, unit) })),
    };
  }

  /** A block, held or read without being held after that; null when no row of it has a cell. Throws as `bytes`. */
  async unkept(block: number): Promise<T | null> {
    const held = this.held(block);
    if (held !== undefined) return held;
    const bytes = await this.bytes(block);
    return bytes === null ? null : this.#plan.make(bytes, true);
  }

  async #readUnit(units: HeldUnits<T>, block: number, unit: number): Promise<T> {
    const file = await this.open();
    const known = this.#check(file, block)!;
    const slot = units.dictionary;
    const held = slot?.block ?? null;
    const read = await file.readUnit(block, unit, slot !== null && held === null);
    let shared = held;
    if (slot !== null && held === null) {
      // Others may have read it meanwhile: then theirs is held, and shared.
      shared = slot.block ?? new StoredDictionary(read.dictionary!);
      if (slot.block === null) this.#plan.cache.hold(slot, shared);
    }
    if (slot !== null) slot.isUsed = true;
    const own = { sections: read.units[0]!, rowCount: rowsOfUnit(known, unit) };
    const dictionary = shared?.dictionary ?? null;
    return this.#plan.make({ firstRow: unit * units.rows, dictionary, units: [own] }, false);
  }

  #hasRoomFor(block: Block): boolean {
    return unitsOf(block) === 1 || this.#plan.cache.hasRoomFor(block.raw * DECODED_GROWTH);
  }

  /** Null when the block is not in the file. @throws {Fault} `corrupt`: it does not have as many rows as in `key.col`. */
  #check(file: ColumnFile, block: number): Block | null {
    const known = file.block(block) ?? null;
    const [got, expected] = [known?.rows ?? null, this.#plan.rowsOf(block)];
    if (got === null || got === expected) return known;
    throw new Fault('corrupt', `${file.path}, block ${block}: ${got} rows, key.col has ${expected}`, {
      got,
      expected,
      path: file.path,
    });
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

function rowsOfUnit({ rows, unitRows }: Block, unit: number): number {
  return Math.min(unitRows, rows - unit * unitRows);
}
