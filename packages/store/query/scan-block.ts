/** The rows of one block that a scan selects, with its columns at hand; read late, and only what is needed. */

import type { ColumnVector } from '@tidemark/columnar/column-vector';
import type { Value } from '@tidemark/model/column-type';
import { type Physical, physicalOf } from '@tidemark/model/column-type';
import { type Filter, filterColumns } from '@tidemark/model/filter';
import type { Column, Table } from '@tidemark/model/table';
import { type Chunk, chunkOfVector, entryBytes, hasValue, rawOfChunk } from '../encoding/chunk.ts';
import type { Zone } from '../encoding/zone.ts';
import { splitKeys } from '../key/key-split.ts';
import type { Piece } from '../merge/merge.ts';
import { fromRaw, ownRaw } from '../row/raw-value.ts';
import type { Rows } from '../row/rows.ts';
import type { Source } from '../row/source.ts';
import type { DeletionVector } from '../segment/deletion-vector.ts';
import type { Segment } from '../segment/segment.ts';
import { type ColumnOf, costOf, mayHold, selectInTurns } from './filter.ts';
import type { MaskedGroups } from './masked-groups.ts';

/** What a scan needs of every row. */
export type ScanNeeds = {
  readonly table: Table;
  readonly filter: Filter;
  /** What the filter costs a row at most, in comparisons. */
  readonly cost: number;
  /** Columns of the filter, and those beside them that the result is made of. */
  readonly filterColumns: ReadonlyMap<number, Column>;
  readonly resultColumns: ReadonlyMap<number, Column>;
};

/** Selected rows: `rows` are row numbers in the columns, ascending. A column that is not there has no cell in any. */
export type ScanBlock = {
  readonly rows: Uint32Array;
  readonly column: ColumnOf;
  /** The key of a row number. */
  readonly keyAt: (row: number) => Promise<Uint8Array>;
};

/** Works out once per scan which columns the filter and the result have to be read from. */
export function scanNeeds(table: Table, filter: Filter, result: readonly Column[]): ScanNeeds {
  const ofFilter = filterColumns(filter);
  const resultColumns = new Map(result.map((column) => [column.id, column]));
  return { table, filter, cost: costOf(filter), filterColumns: ofFilter, resultColumns };
}

/** Kinds of those of the columns that are cells, not parts of the key. */
export function kindsOf(table: Table, columns: Iterable<Column>, ofKey: boolean): Map<number, Physical> {
  const kinds = new Map<number, Physical>();
  for (const { id, type } of columns) if (table.key.includes(id) === ofKey) kinds.set(id, physicalOf(type));
  return kinds;
}

/** True when by its key columns alone no row of the block can be selected: such a block need not even be merged. */
export async function isOutOfReach(needs: ScanNeeds, source: Source, block: number): Promise<boolean> {
  const zones = new Map<number, Zone | null>();
  for (const id of needs.filterColumns.keys()) {
    if (needs.table.key.includes(id)) zones.set(id, await source.zone(block, id));
  }
  return zones.size > 0 && !mayHold(needs.filter, (id) => zones.get(id) ?? null);
}

/** The selected rows of a piece of a merge; null when there are none. */
export async function openPiece(needs: ScanNeeds, piece: Piece): Promise<ScanBlock | null> {
  if (piece.kind === 'rows') return openRows(needs, piece.rows, piece.from, piece.to);
  const { filterColumns, resultColumns } = needs;
  const columns = kindsOf(needs.table, [...filterColumns.values(), ...resultColumns.values()], false);
  const rows = await piece.source.read(piece.block, { columns, keys: true, stamps: true });
  return openRows(needs, rows, 0, rows.rowCount);
}

async function openRows(needs: ScanNeeds, rows: Rows, from: number, to: number): Promise<ScanBlock | null> {
  const made = new Map<number, Chunk | undefined>();
  const column = (id: number): Chunk | undefined => {
    if (!made.has(id)) {
      const vector = vectorIn(needs.table, rows, id);
      made.set(id, vector === undefined ? undefined : chunkOfVector(vector, rows.rowCount));
    }
    return made.get(id);
  };
  const live = rowsBetween(from, to).filter((row) => rows.isLive(row));
  const selected = await selectInTurns(needs.filter, needs.cost, live, column);
  if (selected.length === 0) return null;
  return { rows: selected, column, keyAt: async (row) => new Uint8Array(rows.keys.bytesAt(row)) };
}

function vectorIn(table: Table, rows: Rows, id: number): ColumnVector | undefined {
  if (!table.key.includes(id)) return rows.columns.get(id)?.vector;
  // Of all rows, so that row numbers are the same as in the other vectors.
  rows.keyColumns ??= splitKeys(table, rows.keys, 0, rows.rowCount).vectors;
  return rows.keyColumns.get(id);
}

/**
 * The selected live rows of a segment's block: zones first, then the filter's columns, then, where rows are left, the
 * others. Null when there are none; `added` when `masked` has taken them.
 */
export async function openStored(
  needs: ScanNeeds,
  segment: Segment,
  block: number,
  live: DeletionVector | null,
  masked: MaskedGroups | null,
): Promise<ScanBlock | 'added' | null> {
  const { rowCount } = segment.blocks[block]!;
  const first = segment.firstRows[block]!;
  if (!(await mayHaveRows(needs, segment, block))) return null;
  const columns = new Map<number, Chunk>();
  const takeHeld = (id: number): boolean => {
    const chunk = segment.heldColumn(block, id);
    if (chunk !== undefined && chunk !== null) columns.set(id, chunk);
    return chunk !== undefined;
  };
  const load = async (ids: Iterable<number>): Promise<void> => {
    for (const id of ids) {
      if (takeHeld(id)) continue;
      const chunk = await segment.column(block, id);
      if (chunk !== null) columns.set(id, chunk);
    }
  };
  const bits = live === null || live.allLive(first, first + rowCount) ? null : live;
  const puts = await segment.puts(block);
  await load(needs.filterColumns.keys());
  const column = (id: number): Chunk | undefined => columns.get(id);
  const results = [...needs.resultColumns.keys()].filter((id) => !columns.has(id));
  const whole = { rowCount, column, live: bits, first, puts };
  const chosen = masked?.choose(whole) ?? null;
  if (chosen === 0) return null;
  if (masked !== null && chosen !== null) {
    if (!results.every(takeHeld)) {
      await load(results);
      // Others may have used the mask meanwhile.
      masked.choose(whole);
    }
    if (masked.add(whole)) return 'added';
  }
  // A filter goes over all rows, which is faster than over a list of some, and few may be left of them.
  const isFiltered = needs.filterColumns.size > 0;
  let selected = isFiltered || bits === null ? rowsBetween(0, rowCount) : bits.rows(first, first + rowCount);
  selected = await selectInTurns(needs.filter, needs.cost, selected, column);
  if (isFiltered && bits !== null) selected = selected.filter((row) => bits.isLive(first + row));
  if (puts !== null) selected = selected.filter((row) => puts[row] === 1);
  if (selected.length === 0) return null;
  await load(results);
  const keyAt = async (row: number): Promise<Uint8Array> => {
    const { keys } = await segment.read(block, { columns: new Map(), keys: true, stamps: false });
    return new Uint8Array(keys.bytesAt(row));
  };
  return { rows: selected, column, keyAt };
}

async function mayHaveRows(needs: ScanNeeds, segment: Segment, block: number): Promise<boolean> {
  const zones = new Map<number, Zone | null>();
  for (const id of needs.filterColumns.keys()) zones.set(id, await segment.zone(block, id));
  return mayHold(needs.filter, (id) => zones.get(id) ?? null);
}

let numbers = new Uint32Array(0);

/** `from … to`, not to be changed. */
function rowsBetween(from: number, to: number): Uint32Array {
  if (to > numbers.length) numbers = new Uint32Array(Math.max(to, 65_536)).map((_, i) => i);
  return numbers.subarray(from, to);
}

/** Values of a column in some rows of a block; null where there is none. */
export function valuesOf(block: ScanBlock, rows: Uint32Array, { id, type }: Column): (Value | null)[] {
  const column = block.column(id);
  if (column === undefined) return Array.from(rows, () => null);
  if (column.form === 'bytes' && column.codes !== null && type.name === 'string')
    return textsOf(column, column.codes, rows);
  return Array.from(rows, (row) =>
    hasValue(column, row) ? fromRaw(type, ownRaw(type, rawOfChunk(column, row))) : null,
  );
}

/** A dictionary's entries become strings once each. */
function textsOf(
  column: Chunk & { form: 'bytes' },
  codes: Uint8Array | Uint16Array,
  rows: Uint32Array,
): (Value | null)[] {
  const texts: (string | undefined)[] = [];
  return Array.from(rows, (row) => {
    if (!hasValue(column, row)) return null;
    const code = codes[row]!;
    texts[code] ??= entryBytes(column, code).toString('utf8');
    return texts[code];
  });
}
