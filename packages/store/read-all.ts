/** Every live row of a snapshot as objects, in key order: for tests and small tables. */

import { cellKinds } from './memtable-source.ts';
import { mergeSources } from './merge.ts';
import type { Partition } from './partition.ts';
import { type StoredRow, storedRow } from './row-value.ts';
import type { Want } from './rows.ts';

export async function readAll(partition: Partition): Promise<StoredRow[]> {
  const snapshot = await partition.snapshot();
  const all: StoredRow[] = [];
  try {
    const { table } = snapshot;
    if (table === null) return all;
    const want: Want = { columns: cellKinds(table), keys: true, stamps: true };
    for await (const piece of mergeSources(snapshot.sources, { want, blockRows: snapshot.blockRows })) {
      const rows = piece.kind === 'rows' ? piece.rows : await piece.source.read(piece.block, want);
      const [from, to] = piece.kind === 'rows' ? [piece.from, piece.to] : [0, rows.rowCount];
      for (let row = from; row < to; row++) {
        const stored = storedRow(table, rows, row);
        if (stored !== null) all.push(stored);
      }
    }
  } finally {
    snapshot.release();
  }
  return all;
}
