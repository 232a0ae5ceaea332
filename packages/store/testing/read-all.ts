/** Every live row of a partition as objects: for tests and small tables. */

import { cellKinds, type Table } from '@tidemark/model/table';
import { mergeSources } from '../merge/merge.ts';
import type { Partition } from '../partition.ts';
import { partsOf } from '../query/scan-part.ts';
import { type StoredRow, storedRow } from '../row/row-value.ts';
import { SelectedSource } from '../row/selected-source.ts';
import type { Source } from '../row/source.ts';

/** In key order, all segments merged, whatever their deletion vector say. */
export async function readAll(partition: Partition): Promise<StoredRow[]> {
  const snapshot = await partition.snapshot();
  try {
    return snapshot.table === null ? [] : await merged(snapshot.table, snapshot.sources, snapshot.blockRows, []);
  } finally {
    snapshot.release();
  }
}

/** In key order, as scans find them: every part by itself. `keys` has the key of every row of a part, deleted ones too. */
export async function readParts(
  partition: Partition,
): Promise<{ readonly keys: string[]; readonly rows: StoredRow[] }> {
  const snapshot = await partition.snapshot();
  const keys: string[] = [];
  const rows: StoredRow[] = [];
  try {
    for (const part of snapshot.table === null ? [] : await partsOf(snapshot, null)) {
      const sources = part.kind === 'merged' ? part.sources : [await SelectedSource.live({ ...part, damage: null })];
      rows.push(...(await merged(snapshot.table!, sources, snapshot.blockRows, keys)));
    }
  } finally {
    snapshot.release();
  }
  rows.sort((a, b) => Buffer.compare(a.key, b.key));
  return { keys, rows };
}

async function merged(
  table: Table,
  sources: readonly Source[],
  blockRows: number,
  keys: string[],
): Promise<StoredRow[]> {
  const want = { columns: cellKinds(table), keys: true, stamps: true };
  const all: StoredRow[] = [];
  for await (const piece of mergeSources(sources, { want, blockRows })) {
    const rows = piece.kind === 'rows' ? piece.rows : await piece.source.read(piece.block, want);
    const [from, to] = piece.kind === 'rows' ? [piece.from, piece.to] : [0, rows.rowCount];
    for (let row = from; row < to; row++) {
      keys.push(rows.keys.bytesAt(row).toString('hex'));
      const stored = storedRow(table, rows, row);
      if (stored !== null) all.push(stored);
    }
  }
  return all;
}
