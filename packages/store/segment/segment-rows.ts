/** Single rows of a segment: those that a key was found at, and those that are read by their number. */

import { CELL } from '@tidemark/columnar/column-vector';
import type { Physical, Value } from '@tidemark/model/column-type';
import { stampFromColumns } from '@tidemark/model/stamp';
import type { Column, Table } from '@tidemark/model/table';
import { rawOfChunk, stateOf } from '../encoding/chunk.ts';
import { fromRaw, ownRaw, setRaw, valueOfChunk } from '../row/raw-value.ts';
import type { StoredCell, StoredRow } from '../row/row-value.ts';
import { Rows, type Want } from '../row/rows.ts';
import type { HeldFile } from './held-file.ts';
import type { Lookup } from './lookup.ts';
import type { SegmentFiles } from './segment-files.ts';
import type { StoredBlock } from './stored-block.ts';

/** The rows of one segment, one at a time. */
export class SegmentRows {
  readonly #files: SegmentFiles;
  /** Number in the segment of each block's first row. */
  readonly #firstRows: readonly number[];
  readonly #kinds: ReadonlyMap<number, Physical>;
  /** The columns that values were asked of last, and their files. */
  #asked: {
    readonly columns: readonly Column[];
    readonly files: readonly (HeldFile<StoredBlock> | undefined)[];
  } | null = null;
  /** Of each block whether all of its rows have a put; null until the file of flags was opened. */
  #allLive: readonly boolean[] | null = null;

  constructor(files: SegmentFiles, firstRows: readonly number[], kinds: ReadonlyMap<number, Physical>) {
    this.#files = files;
    this.#firstRows = firstRows;
    this.#kinds = kinds;
  }

  /** The row that the lookup found here, when nothing else holds the key; null when it is not live. */
  storedRow(table: Table, key: Uint8Array, lookup: Lookup): StoredRow | null | undefined {
    const { foundBlock: block, foundRow: row } = lookup;
    const puts = lookup.block(this.#files.stamps, block);
    if (puts === undefined) return undefined;
    const stamps = puts?.stamps ?? null;
    if (stamps?.has(row) !== true) return null;
    const stamp = stampFromColumns(stamps.msAt(row), stamps.lowAt(row));
    const cells: StoredCell[] = [];
    for (const { id, type, dropped } of table.columns) {
      if (dropped || !this.#kinds.has(id)) continue;
      const stored = lookup.block(this.#files.byColumn.get(id)!, block);
      if (stored === undefined) return undefined;
      const state = stored === null ? CELL.absent : stateOf(stored.cells, row);
      if (state === CELL.absent) continue;
      const own = stored!.stamps;
      cells.push({
        column: id,
        value: state === CELL.deleted ? null : fromRaw(type, ownRaw(type, rawOfChunk(stored!.cells, row))),
        stamp: own?.has(row) === true ? stampFromColumns(own.msAt(row), own.lowAt(row)) : stamp,
      });
    }
    return { key: new Uint8Array(key), stamp, cells };
  }

  /** Values of that row, as `storedRow` has them; null where the row has none. */
  valuesOf(columns: readonly Column[], lookup: Lookup): (Value | null)[] | null | undefined {
    const { foundBlock: block, foundRow: row } = lookup;
    const isLive = this.#isLive(block, row, lookup);
    if (isLive !== true) return isLive === undefined ? undefined : null;
    const files = this.#filesOf(columns);
    const values = new Array<Value | null>(columns.length);
    for (let i = 0; i < columns.length; i++) {
      const file = files[i];
      const stored = file === undefined ? null : lookup.block(file, block);
      if (stored === undefined) return undefined;
      values[i] = stored === null ? null : valueOfChunk(stored.cells, row, columns[i]!.type);
    }
    return values;
  }

  /** Who asks for many rows asks for the same columns of each. */
  #filesOf(columns: readonly Column[]): readonly (HeldFile<StoredBlock> | undefined)[] {
    const asked = this.#asked;
    if (asked !== null && areSame(asked.columns, columns)) return asked.files;
    const files = columns.map(({ id }) => this.#files.byColumn.get(id));
    this.#asked = { columns: [...columns], files };
    return files;
  }

  /** True when the row has a put. */
  #isLive(block: number, row: number, lookup: Lookup): boolean | undefined {
    const allLive = this.#allLive ?? this.#readAllLive(lookup);
    if (allLive === null) return undefined;
    if (allLive[block]!) return true;
    const stored = lookup.block(this.#files.flags, block);
    return stored === undefined ? undefined : (Number(rawOfChunk(stored!.cells, row)) & 1) === 1;
  }

  #readAllLive(lookup: Lookup): readonly boolean[] | null {
    const { opened } = this.#files.flags;
    if (opened === null) {
      lookup.miss(async () => void (await this.#files.flags.open()));
      return null;
    }
    this.#allLive = this.#firstRows.map((_, block) => (opened.block(block)?.deleted ?? 0) === 0);
    return this.#allLive;
  }

  #place(number: number): { readonly block: number; readonly row: number } {
    const firstRows = this.#firstRows;
    let block = 0;
    for (let high = firstRows.length; high - block > 1; ) {
      const middle = (block + high) >> 1;
      if (firstRows[middle]! > number) high = middle;
      else block = middle;
    }
    return { block, row: number - firstRows[block]! };
  }

  /** A row, alone, by its number in the segment. */
  async row(number: number, want: Want, key: Uint8Array): Promise<Rows> {
    const { block, row } = this.#place(number);
    const alone = new Rows(1);
    alone.keys.setBytes(0, key);
    const stamps = (await this.#files.stamps.block(block))?.stamps;
    if (stamps?.has(row) === true) {
      alone.putMs[0] = stamps.msAt(row);
      alone.putLow[0] = stamps.lowAt(row);
    }
    const tombs = (await this.#files.hasTombs(block)) ? (await this.#files.flags.block(block))!.stamps : null;
    if (tombs?.has(row) === true) alone.setTomb(0, tombs.msAt(row), tombs.lowAt(row));
    for (const [id, kind] of want.columns) {
      const stored = await this.#files.byColumn.get(id)?.block(block);
      if (stored === undefined || stored === null) continue;
      const { cells, stamps: own } = stored;
      const state = stateOf(cells, row);
      if (state === CELL.absent) continue;
      const into = alone.cells(id, kind);
      if (state === CELL.deleted) into.vector.setDeleted(0);
      else setRaw(into.vector, 0, rawOfChunk(cells, row));
      if (own?.has(row) === true) alone.setCellStamp(into, 0, own.msAt(row), own.lowAt(row));
    }
    return alone;
  }
}

function areSame(a: readonly Column[], b: readonly Column[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
