/** Single rows of a segment: those that a key was found at, and those that are read by their number. */

import { setCellRaw } from '@tidemark/columnar/cell-bytes';
import { CELL } from '@tidemark/columnar/column-vector';
import { RowCells, type SharedWant } from '@tidemark/columnar/row-cells';
import type { Physical, Value } from '@tidemark/model/column-type';
import { stampFromColumns } from '@tidemark/model/stamp';
import { type Column, columnsById, type Table } from '@tidemark/model/table';
import type { StoredCells } from '../cells/stored-cells.ts';
import { rawOfChunk, stateOf } from '../encoding/chunk.ts';
import { fromRaw, ownRaw, valueOfChunk } from '../row/raw-value.ts';
import type { StoredCell, StoredRow } from '../row/row-value.ts';
import { Rows } from '../row/rows.ts';
import type { HeldFile } from './held-file.ts';
import type { Lookup } from './lookup.ts';
import type { SegmentFiles } from './segment-files.ts';
import type { StoredBlock } from './stored-block.ts';

/** The rows of one segment, one at a time. */
export class SegmentRows {
  readonly #files: SegmentFiles;
  /** Number in the segment of each block's first row. */
  readonly #firstRows: readonly number[];
  /** The columns that values were asked of last, and their files. */
  #asked: {
    readonly columns: readonly Column[];
    readonly files: readonly (HeldFile<StoredBlock> | undefined)[];
  } | null = null;
  /** Whether some of them are among those of `cells.col`. */
  #isSharedAsked = false;
  /** Columns that have a file of their own and are no part of the key, by id ascending. */
  readonly #own: readonly (readonly [number, HeldFile<StoredBlock>])[];
  /** Of each block whether all of its rows have a put; null until the file of flags was opened. */
  #allLive: readonly boolean[] | null = null;

  constructor(files: SegmentFiles, firstRows: readonly number[], kinds: ReadonlyMap<number, Physical>) {
    this.#files = files;
    this.#firstRows = firstRows;
    this.#own = [...files.byColumn].filter(([id]) => kinds.has(id)).sort((a, b) => a[0] - b[0]);
  }

  /** The row that the lookup found here, when nothing else holds the key; null when it is not live. */
  storedRow(table: Table, key: Uint8Array, lookup: Lookup): StoredRow | null | undefined {
    const { foundBlock: block, foundRow: row } = lookup;
    const puts = lookup.part(this.#files.stamps, block, row);
    const parts = this.#partsOf(table, lookup);
    const shared = this.#sharedAt(lookup);
    if (puts === undefined || parts === undefined || shared === undefined) return undefined;
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
    if (shared !== null) takeShared(shared, row, table, stamp, cells);
    return { key: new Uint8Array(key), stamp, cells };
  }

  /** Of each column with a file that has cells at the place the lookup found, its part there; undefined after a miss. */
  #partsOf(table: Table, lookup: Lookup): { readonly column: Column; readonly part: StoredBlock }[] | undefined {
    const { foundBlock: block, foundRow: row } = lookup;
    const parts: { column: Column; part: StoredBlock }[] = [];
    const columns = columnsById(table);
    let isMissing = false;
    for (const [id, file] of this.#own) {
      const column = columns.get(id);
      if (column === undefined || column.dropped) continue;
      const part = lookup.part(file, block, row);
      if (part === undefined) isMissing = true;
      else if (part !== null) parts.push({ column, part });
    }
    return isMissing ? undefined : parts;
  }

  /** What has the cells of many columns at the place the lookup found; null when there is none; undefined after a miss. */
  #sharedAt(lookup: Lookup): StoredCells | null | undefined {
    const { cells } = this.#files;
    return cells === null ? null : lookup.part(cells, lookup.foundBlock, lookup.foundRow);
  }

  /** Values of that row, as `storedRow` has them; null where the row has none. */
  valuesOf(columns: readonly Column[], lookup: Lookup): (Value | null)[] | null | undefined {
    const { foundBlock: block, foundRow: row } = lookup;
    const isLive = this.#isLive(block, row, lookup);
    if (isLive === false) return null;
    const files = this.#filesOf(columns);
    const values = new Array<Value | null>(columns.length);
    const shared = this.#isSharedAsked ? this.#sharedAt(lookup) : null;
    let isMissing = isLive === undefined || shared === undefined;
    for (let i = 0; i < columns.length; i++) {
      const file = files[i];
      const part = file === undefined ? null : lookup.part(file, block, row);
      if (part === undefined) isMissing = true;
      else if (part !== null) values[i] = valueOfChunk(part.cells, row - part.firstRow, columns[i]!.type);
      else {
        const cell = file !== undefined || shared == null ? -1 : shared.find(row, columns[i]!.id);
        values[i] = cell === -1 ? null : shared!.valueOf(cell, columns[i]!);
      }
    }
    return isMissing ? undefined : values;
  }

  /** Has what `valuesOf` will need read with the key, near the place where the key is looked for. */
  foreseeValues(columns: readonly Column[], lookup: Lookup): void {
    this.#isLive(lookup.foundBlock, lookup.foundRow, lookup);
    for (const file of this.#filesOf(columns)) {
      if (file !== undefined) lookup.part(file, lookup.foundBlock, lookup.foundRow);
    }
    if (this.#isSharedAsked) this.#sharedAt(lookup);
  }

  /** As `foreseeValues`, for `storedRow`. */
  foreseeRow(table: Table, lookup: Lookup): void {
    lookup.part(this.#files.stamps, lookup.foundBlock, lookup.foundRow);
    this.#partsOf(table, lookup);
    this.#sharedAt(lookup);
  }

  /** Who asks for many rows asks for the same columns of each. */
  #filesOf(columns: readonly Column[]): readonly (HeldFile<StoredBlock> | undefined)[] {
    const asked = this.#asked;
    if (asked !== null && areSame(asked.columns, columns)) return asked.files;
    const files = columns.map(({ id }) => this.#files.byColumn.get(id));
    this.#asked = { columns: [...columns], files };
    this.#isSharedAsked = columns.some(({ id }) => this.#files.shared.has(id));
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

  /** A row, alone, by its number in the segment, its cells of wanted columns row by row. */
  async row(number: number, want: SharedWant, key: Uint8Array): Promise<Rows> {
    const { block, row } = this.#place(number);
    const alone = new Rows(1);
    alone.keys.setBytes(0, key);
    const hasTombs = await this.#files.hasTombs(block);
    const wanted = this.#own.filter(([id]) => want.has(id));
    const [puts, flags, stored, ...parts] = await Promise.all([
      this.#files.stamps.at(block, row),
      hasTombs ? this.#files.flags.at(block, row) : null,
      this.#files.cells?.at(block, row) ?? null,
      ...wanted.map(([, file]) => file.at(block, row)),
    ]);
    const putRow = row - (puts?.firstRow ?? 0);
    if (puts?.stamps?.has(putRow) === true) {
      alone.putMs[0] = puts.stamps.msAt(putRow);
      alone.putLow[0] = puts.stamps.lowAt(putRow);
    }
    const tombs = flags?.stamps ?? null;
    const tombRow = row - (flags?.firstRow ?? 0);
    if (tombs?.has(tombRow) === true) alone.setTomb(0, tombs.msAt(tombRow), tombs.lowAt(tombRow));
    const shared = new RowCells();
    stored?.takeRow(row - stored.firstRow, want, shared, alone.putMs[0]!, alone.putLow[0]!);
    const cells = new RowCells();
    let next = 0;
    for (const [i, [id]] of wanted.entries()) {
      while (next < shared.count && shared.columns[next]! < id) cells.copy(shared, next++);
      const part = parts[i] ?? null;
      if (part !== null) takeCell(cells, part, row - part.firstRow, id, want.get(id)!, alone);
    }
    while (next < shared.count) cells.copy(shared, next++);
    cells.endRow();
    alone.shared = cells;
    return alone;
  }
}

/** Adds a cell of a column's file, when the row has one. */
function takeCell(
  into: RowCells,
  { cells, stamps }: StoredBlock,
  row: number,
  column: number,
  kind: Physical,
  { putMs, putLow }: Rows,
): void {
  const state = stateOf(cells, row);
  if (state === CELL.absent) return;
  const isOwn = stamps?.has(row) === true;
  const cell = into.add(column, isOwn ? stamps.msAt(row) : putMs[0]!, isOwn ? stamps.lowAt(row) : putLow[0]!);
  if (state === CELL.deleted) into.values.setDeleted(cell);
  else setCellRaw(into.values, cell, rawOfChunk(cells, row), kind);
}

/** Adds the cells of columns that are shown, and puts all in order. */
function takeShared(
  shared: StoredCells,
  rowInBlock: number,
  table: Table,
  stamp: StoredCell['stamp'],
  into: StoredCell[],
): void {
  const columns = columnsById(table);
  const own = shared.stamps;
  const row = rowInBlock - shared.firstRow;
  for (let cell = shared.starts[row]!; cell < shared.starts[row + 1]!; cell++) {
    const column = columns.get(shared.columns[cell]!);
    if (column === undefined || column.dropped) continue;
    into.push({
      column: column.id,
      value: shared.valueOf(cell, column),
      stamp: own?.has(cell) === true ? stampFromColumns(own.msAt(cell), own.lowAt(cell)) : stamp,
    });
  }
  into.sort((a, b) => a.column - b.column);
}

function areSame(a: readonly Column[], b: readonly Column[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
