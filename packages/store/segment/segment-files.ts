/** The files of a segment, by the names and the columns that the manifest gives them; each is opened when it is first needed. */

import type { Physical } from '@tidemark/model/column-type';
import type { Disk } from '@tidemark/platform/disk';
import { Fault } from '@tidemark/platform/fault';
import { StoredCells } from '../cells/stored-cells.ts';
import type { BlockRange } from '../row/source.ts';
import type { BlockCache } from './block-cache.ts';
import type { ColumnFile } from './column-file.ts';
import { HeldFile } from './held-file.ts';
import type { SegmentSummary } from './manifest.ts';
import { StoredBlock, StoredStamps, type UnitBytes } from './stored-block.ts';

type FilesParts = {
  readonly disk: Disk;
  /** The segment's. */
  readonly folder: string;
  readonly summary: SegmentSummary;
  readonly cache: BlockCache;
  readonly blocks: readonly BlockRange[];
  /** `key.col`, which is open already. */
  readonly keys: ColumnFile;
};

/** All files of one segment. */
export class SegmentFiles {
  readonly folder: string;
  readonly byName: ReadonlyMap<string, HeldFile<StoredBlock>>;
  /** `cells.col`, and the columns that have their cells there with those of others; null, and none, where there is no such file. */
  readonly cells: HeldFile<StoredCells> | null;
  readonly shared: ReadonlyMap<number, { readonly kind: Physical; readonly bytes: number }>;
  /** By the column's id; without the files that are of no column. */
  readonly byColumn: ReadonlyMap<number, HeldFile<StoredBlock>>;
  readonly keys: HeldFile<StoredBlock>;
  /** Of each block whether `key.col` has its keys whole. */
  readonly #wholeKeys: readonly boolean[];
  readonly #flags: HeldFile<StoredBlock> | undefined;
  readonly #stamps: HeldFile<StoredStamps> | undefined;

  constructor({ disk, folder, summary, cache, blocks, keys }: FilesParts) {
    this.folder = folder;
    const rowsOf = (block: number): number => blocks[block]!.rowCount;
    const files = summary.files.map((file) => {
      const plan = { disk, folder, summary: file, cache, rowsOf };
      const make = (bytes: UnitBytes, isWhole: boolean) => new StoredBlock(bytes, file.kind, isWhole);
      return new HeldFile({ ...plan, make, opened: file.name === 'key.col' ? keys : null });
    });
    this.byName = new Map(files.map((file) => [file.summary.name, file]));
    this.keys = this.named('key.col');
    this.#wholeKeys = blocks.map((_, block) => (keys.block(block)?.raw ?? 0) > 0);
    this.#flags = this.byName.get('flags.col');
    const columns = files.filter((file) => file.summary.column !== null);
    this.byColumn = new Map(columns.map((file) => [file.summary.column!, file]));
    const cells = summary.files.find((file) => file.columns !== undefined);
    this.shared = new Map((cells?.columns ?? []).map(([id, kind, bytes]) => [id, { kind, bytes }]));
    const makeCells = (bytes: UnitBytes) => new StoredCells(bytes);
    this.cells =
      cells === undefined
        ? null
        : new HeldFile({ disk, folder, summary: cells, cache, rowsOf, make: makeCells, opened: null });
    const stamps = summary.files.find((file) => file.name === 'stamp.col');
    if (stamps !== undefined) {
      const make = (bytes: UnitBytes) => new StoredStamps(bytes);
      this.#stamps = new HeldFile({ disk, folder, summary: stamps, cache, rowsOf, make, opened: null });
    }
  }

  /** @throws {Fault} `corrupt`: the manifest names no such file. */
  named(name: string): HeldFile<StoredBlock> {
    return this.byName.get(name) ?? this.#lacks(name);
  }

  /** Which rows have a put, and the tombstones. @throws {Fault} as `named`. */
  get flags(): HeldFile<StoredBlock> {
    return this.#flags ?? this.#lacks('flags.col');
  }

  /** The stamps of the puts. @throws {Fault} as `named`. */
  get stamps(): HeldFile<StoredStamps> {
    return this.#stamps ?? this.#lacks('stamp.col');
  }

  /** True when `key.col` has the keys of that block whole; else they are put together from the key columns. */
  hasWholeKeys(block: number): boolean {
    return this.#wholeKeys[block]!;
  }

  /** What is wrong with a segment in which a block has no values of a part of the key. */
  lacksPart(block: number, column: number): Fault {
    const message = `${this.folder}, block ${block}: no values of key column ${column}`;
    return new Fault('corrupt', message, { got: column });
  }

  /** True when a row of the block has a tombstone. */
  async hasTombs(block: number): Promise<boolean> {
    return ((await this.flags.open()).block(block)?.stampMin ?? null) !== null;
  }

  #lacks(name: string): never {
    throw new Fault('corrupt', `${this.folder}: the manifest names no ${name}`, { got: name });
  }
}
