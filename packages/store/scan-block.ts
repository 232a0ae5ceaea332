/** The rows of one piece of a merge that a scan selects, with its columns at hand; read late, and only what is needed. */

import { type Physical, physicalOf } from '@tidemark/schema/column-type';
import type { ColumnVector } from '@tidemark/schema/column-vector';
import { type Filter, filterColumns } from '@tidemark/schema/query';
import type { Column, Table } from '@tidemark/schema/table';
import { mayHold, select } from './filter.ts';
import { splitKeys } from './key-columns.ts';
import type { Piece } from './merge.ts';
import type { Rows } from './rows.ts';
import type { Source } from './source.ts';
import type { Zone } from './zone.ts';

/** What a scan needs of every row. */
export type ScanNeeds = {
  readonly table: Table;
  readonly filter: Filter;
  /** Columns of the filter, and those beside them that the result is made of. */
  readonly filterColumns: ReadonlyMap<number, Column>;
  readonly resultColumns: ReadonlyMap<number, Column>;
};

/** Selected rows: `rows[0 … count)` are row numbers in the vectors. A column without a vector has no cell in any. */
export type ScanBlock = {
  readonly rows: Uint32Array;
  readonly vector: (column: number) => ColumnVector | undefined;
  /** The key of a row number. */
  readonly keyAt: (row: number) => Promise<Uint8Array>;
};

export function scanNeeds(table: Table, filter: Filter, result: readonly Column[]): ScanNeeds {
  const ofFilter = filterColumns(filter);
  const resultColumns = new Map(result.map((column) => [column.id, column]));
  return { table, filter, filterColumns: ofFilter, resultColumns };
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

/** The selected rows of a piece; null when there are none. */
export async function openBlock(needs: ScanNeeds, piece: Piece): Promise<ScanBlock | null> {
  return piece.kind === 'rows'
    ? openRows(needs, piece.rows, piece.from, piece.to)
    : openStored(needs, piece.source, piece.block, piece.rowCount);
}

function openRows(needs: ScanNeeds, rows: Rows, from: number, to: number): ScanBlock | null {
  const vector = (id: number): ColumnVector | undefined => {
    if (!needs.table.key.includes(id)) return rows.columns.get(id)?.vector;
    // Of all rows, so that row numbers are the same as in the other vectors.
    rows.keyColumns ??= splitKeys(needs.table, rows.keys, 0, rows.rowCount);
    return rows.keyColumns.get(id);
  };
  const holds = select(needs.filter, { from, to, vector });
  const selected = pick(from, to, (row) => rows.isLive(row) && holds(row));
  if (selected.length === 0) return null;
  return { rows: selected, vector, keyAt: async (row) => new Uint8Array(rows.keys.bytesAt(row)) };
}

/** A block that stands alone: zones first, then the filter's columns, then, where rows are left, the others. */
async function openStored(
  needs: ScanNeeds,
  source: Source,
  block: number,
  rowCount: number,
): Promise<ScanBlock | null> {
  const zones = new Map<number, Zone | null>();
  for (const id of needs.filterColumns.keys()) zones.set(id, await source.zone(block, id));
  if (!mayHold(needs.filter, (id) => zones.get(id) ?? null)) return null;
  const vectors = new Map<number, ColumnVector>();
  const load = async (columns: readonly Column[], stamps: boolean): Promise<Rows> => {
    const cells = kindsOf(needs.table, columns, false);
    const rows = await source.read(block, { columns: cells, keys: false, stamps });
    for (const [id, { vector }] of rows.columns) vectors.set(id, vector);
    const keyKinds = kindsOf(needs.table, columns, true);
    if (keyKinds.size > 0) await loadKeys(needs, source, block, keyKinds, vectors);
    return rows;
  };
  const stamps = await source.hasDead(block);
  const first = await load([...needs.filterColumns.values()], stamps);
  const holds = select(needs.filter, { from: 0, to: rowCount, vector: (id) => vectors.get(id) });
  const selected = pick(0, rowCount, (row) => (!stamps || first.isLive(row)) && holds(row));
  if (selected.length === 0) return null;
  const others = [...needs.resultColumns.values()].filter((column) => !needs.filterColumns.has(column.id));
  if (others.length > 0) await load(others, false);
  const keyAt = async (row: number): Promise<Uint8Array> => {
    const { keys } = await source.read(block, { columns: new Map(), keys: true, stamps: false });
    return new Uint8Array(keys.bytesAt(row));
  };
  return { rows: selected, vector: (id) => vectors.get(id), keyAt };
}

async function loadKeys(
  needs: ScanNeeds,
  source: Source,
  block: number,
  kinds: ReadonlyMap<number, Physical>,
  into: Map<number, ColumnVector>,
): Promise<void> {
  const stored = await source.readKeyColumns(block, kinds);
  if (stored !== null) {
    for (const [id, { vector }] of stored.columns) into.set(id, vector);
    return;
  }
  const { keys, rowCount } = await source.read(block, { columns: new Map(), keys: true, stamps: false });
  for (const [id, vector] of splitKeys(needs.table, keys, 0, rowCount)) if (kinds.has(id)) into.set(id, vector);
}

function pick(from: number, to: number, isWanted: (row: number) => boolean): Uint32Array {
  const rows = new Uint32Array(to - from);
  let count = 0;
  for (let row = from; row < to; row++) if (isWanted(row)) rows[count++] = row;
  return rows.subarray(0, count);
}
