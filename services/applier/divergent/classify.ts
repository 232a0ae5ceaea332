/** What became of each cell of a divergent suffix, seen from the store as it is now. Pure. */

import { compareStamps, type Stamp } from '@tidemark/model/stamp';
import { columnById, keyColumns } from '@tidemark/model/table';
import { cellToJson } from '@tidemark/model/text/cell-value';
import type { RowState } from '@tidemark/store/row/row-value';
import type { SuffixRow } from './suffix-rows.ts';

/**
 * - `there`: the store holds the same
 * - `superseded`: a later write stands there; it would have won anyway
 * - `lost`: what stands there is older, and was there before the epoch end; or nothing stands there
 * - `conflicting`: somebody wrote there after the epoch end, with an earlier stamp, without having seen this; or nothing
 *   stands there, and it is so old that what deleted it may be forgotten
 */
export type CellVerdict = 'there' | 'superseded' | 'lost' | 'conflicting';
/**
 * Of a cell: it stands as written; a later stamp took its place; it is missing or older than it should be; an older
 * stamp of a later epoch stands, or deletions may be forgotten there, so nobody can tell.
 */
export const CELL_VERDICTS = ['there', 'superseded', 'lost', 'conflicting'] as const;

/** The name under which a row delete is classified; no column has it. */
const ROW_DELETE = '$delete';

/** Column name → verdict; a row that touches no cell but its key is classified under its last key column. */
export type RowVerdicts = Readonly<Record<string, CellVerdict>>;

/**
 * @param state the row in the store, null when it was never written
 * @param isForgotten true when deletions newer than the row may be missing there
 */
export function classifyRow(row: SuffixRow, state: RowState | null, isForgotten = false): RowVerdicts {
  const verdicts = classifyAgainst(row, state);
  if (!isForgotten) return verdicts;
  const known = Object.entries(verdicts).map(([name, verdict]) => {
    return [name, verdict === 'lost' ? 'conflicting' : verdict] as const;
  });
  return Object.fromEntries(known);
}

function classifyAgainst(row: SuffixRow, state: RowState | null): RowVerdicts {
  if (row.values.$delete === true) return { [ROW_DELETE]: classifyDelete(row, state) };
  const keys = new Set(keyColumns(row.table).map((column) => column.name));
  const cells = Object.entries(row.values).filter(([name]) => !keys.has(name));
  if (cells.length === 0) return { [keyColumns(row.table).at(-1)!.name]: classifyPut(row, state) };
  return Object.fromEntries(cells.map(([name, value]) => [name, classifyCell(row, name, value, state)]));
}

function classifyDelete(row: SuffixRow, state: RowState | null): CellVerdict {
  const put = state?.put ?? null;
  if (put === null) return 'there';
  return against(row, put, false);
}

function classifyPut(row: SuffixRow, state: RowState | null): CellVerdict {
  if ((state?.put ?? null) !== null) return 'there';
  return state?.tombstone == null ? 'lost' : against(row, state.tombstone, false);
}

function classifyCell(row: SuffixRow, name: string, value: unknown, state: RowState | null): CellVerdict {
  const column = row.table.columns.find((one) => one.name === name)!;
  const cell = state?.cells.find((one) => one.column === column.id);
  const { type } = columnById(row.table, column.id);
  const tombstone = state?.tombstone ?? null;
  if (cell !== undefined) {
    const stands = cell.value === null ? null : cellToJson(type, cell.value);
    return against(row, cell.stamp, JSON.stringify(stands) === JSON.stringify(value));
  }
  if (value === null && (state === null || state.put === null)) return 'there';
  return tombstone === null ? (value === null ? 'there' : 'lost') : against(row, tombstone, value === null);
}

/** Against what stands in its place. `same`: the same value. */
function against(row: SuffixRow, standing: Stamp, same: boolean): CellVerdict {
  if (same || compareStamps(standing, row.stamp) === 0) return 'there';
  if (compareStamps(standing, row.stamp) > 0) return 'superseded';
  // A stamp names the epoch its writer led in.
  return standing.writer > row.epoch ? 'conflicting' : 'lost';
}

/** The row with its lost cells only, to be written again; null when none is lost. */
export function lostOf(row: SuffixRow, verdicts: RowVerdicts): SuffixRow['values'] | null {
  const lost = Object.entries(verdicts).filter(([, verdict]) => verdict === 'lost');
  if (lost.length === 0) return null;
  const names = new Set([...keyColumns(row.table).map((column) => column.name), ...lost.map(([name]) => name)]);
  return Object.fromEntries(Object.entries(row.values).filter(([name]) => names.has(name)));
}
