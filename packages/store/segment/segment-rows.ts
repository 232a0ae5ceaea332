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
    const puts = lookup.part(this.#files.stamps, block, row);
    const parts = this.#partsOf(table, lookup);
    if (puts === undefined || parts === undefined) return undefined;
    const stamps = puts?.stamps ?? null;
    const putRow = row - (puts?.firstRow ?? 0);
    if (stamps?.has(putRow) !== true) return null;
    const stamp = stampFromColumns(stamps.msAt(putRow), stamps.lowAt(putRow));
    const cells: StoredCell[] = [];
    for (const { column, part } of parts) {
      const own = part.stamps;
      const at = row - part.firstRow;
      const state = stateOf(part.cells, at);
      if (state === CELL.absent) continue;
      const { id, type } = column;
      cells.push({
        column: id,
        value: state === CELL.deleted ? null : fromRaw(type, ownRaw(type, rawOfChunk(part.cells, at))),
        stamp: own?.has(at) === true ? stampFromColumns(own.msAt(at), own.lowAt(at)) : stamp,
      });
    }
    return { key: new Uint8Array(key), stamp, cells };
  }

  /** Of each column that has cells at the place the lookup found, its part there; undefined after a miss. */
  #partsOf(table: Table, lookup: Lookup): { readonly column: Column; readonly part: StoredBlock }[] | undefined {
    const { foundBlock: block, foundRow: row } = lookup;
    const parts: { column: Column; part: StoredBlock }[] = [];
    let isMissing = false;
    for (const column of table.columns) {
      if (column.dropped || !this.#kinds.has(column.id)) continue;
      const part = lookup.part(this.#files.byColumn.get(column.id)!, block, row);
      if (part === undefined) isMissing = true;
      else if (part !== null) parts.push({ column, part });
    }
    return isMissing ? undefined : parts;
  }

  /** Values of that row, as `storedRow` has them; null where the row has none. */
  valuesOf(columns: readonly Column[], lookup: Lookup): (Value | null)[] | null | undefined {
    const { foundBlock: block, foundRow: row } = lookup;
    const isLive = this.#isLive(block, row, lookup);
    if (isLive === false) return null;
    const files = this.#filesOf(columns);
    const values = new Array<Value | null>(columns.length);
    let isMissing = isLive === undefined;
    for (let i = 0; i < columns.length; i++) {
      const file = files[i];
      const part = file === undefined ? null : lookup.part(file, block, row);
      if (part === undefined) isMissing = true;
      else values[i] = part === null ? null : valueOfChunk(part.cells, row - part.firstRow, columns[i]!.type);
    }
    return isMissing ? undefined : values;
  }

  /** Has what `valuesOf` will need read with the key, near the place where the key is looked for. */
  foreseeValues(columns: readonly Column[], lookup: Lookup): void {
    this.#isLive(lookup.foundBlock, lookup.foundRow, lookup);
    for (const file of this.#filesOf(columns)) {
      if (file !== undefined) lookup.part(file, lookup.foundBlock, lookup.foundRow);
    }
  }

  /** As `foreseeValues`, for `storedRow`. */
  foreseeRow(table: Table, lookup: Lookup): void {
    lookup.part(this.#files.stamps, lookup.foundBlock, lookup.foundRow);
    this.#partsOf(table, lookup);
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
    const part = lookup.part(this.#files.flags, block, row);
    return part === undefined ? undefined : (Number(rawOfChunk(part!.cells, row - part!.firstRow)) & 1) === 1;
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
    const hasTombs = await this.#files.hasTombs(block);
    const [puts, flags, ...cells] = await Promise.all([
      this.#files.stamps.at(block, row),
      hasTombs ? this.#files.flags.at(block, row) : null,
      ...[...want.columns.keys()].map((id) => this.#files.byColumn.get(id)?.at(block, row) ?? null),
    ]);
    const putRow = row - (puts?.firstRow ?? 0);
    if (puts?.stamps?.has(putRow) === true) {
      alone.putMs[0] = puts.stamps.msAt(putRow);
      alone.putLow[0] = puts.stamps.lowAt(putRow);
    }
    const tombs = flags?.stamps ?? null;
    const tombRow = row - (flags?.firstRow ?? 0);
    if (tombs?.has(tombRow) === true) alone.setTomb(0, tombs.msAt(tombRow), tombs.lowAt(tombRow));
    for (const [i, [id, kind]] of [...want.columns].entries()) {
      const part = cells[i] ?? null;
      if (part === null) continue;
      const at = row - part.firstRow;
      const state = stateOf(part.cells, at);
      if (state === CELL.absent) continue;
      const own = part.stamps;
      const into = alone.cells(id, kind);
      if (state === CELL.deleted) into.vector.setDeleted(0);
      else setRaw(into.vector, 0, rawOfChunk(part.cells, at));
      if (own?.has(at) === true) alone.setCellStamp(into, 0, own.msAt(at), own.lowAt(at));
    }
    return alone;
  }
}

function areSame(a: readonly Column[], b: readonly Column[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
