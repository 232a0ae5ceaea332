/** Reads of single rows: of what memtables and segments hold of a key the newest, at once where that is in memory. */

import type { Value } from '@tidemark/model/column-type';
import { type Column, cellKinds, type Table } from '@tidemark/model/table';
import type { Memtables } from '../memtable/memtables.ts';
import { mergeRow } from '../merge/merge.ts';
import { type RowState, rowState, rowValues, type StoredRow, storedRow } from '../row/row-value.ts';
import type { Rows, Want } from '../row/rows.ts';
import { KeyToFind } from '../segment/key-to-find.ts';
import type { LiveSegment } from '../segment/live-segment.ts';
import { findReading, Lookup } from '../segment/lookup.ts';
import type { SegmentSet } from '../segment/segment-set.ts';

/** Single-row reads of one partition, of what is in it at the moment of the call. */
export class PointReads {
  readonly #durable: SegmentSet;
  readonly #memtables: Memtables;

  constructor(durable: SegmentSet, memtables: Memtables) {
    this.#durable = durable;
    this.#memtables = memtables;
  }

  /** The live row with that key as it is now, newest cell per column; null when there is none. At once when it is in memory. */
  get(table: Table, key: Uint8Array): StoredRow | null | Promise<StoredRow | null> {
    const found = this.#memtables.find(key, table);
    const segments = this.#durable.bySize;
    if (found.length > 0 || isDamaged(segments)) {
      return this.#lookJoined(found, key, table, (rows) => storedRow(table, rows, 0));
    }
    const wanted = new KeyToFind(table, key);
    const lookup = new Lookup();
    const row = getIn(segments, wanted, table, lookup);
    if (row !== undefined) return row;
    return this.#whilePinned(findReading(lookup, () => getIn(segments, wanted, table, lookup)));
  }

  /** Values of the live row with that key, null where it has none; null when there is no such row. At once as `get`. */
  values(
    table: Table,
    key: Uint8Array,
    columns: readonly Column[],
  ): (Value | null)[] | null | Promise<(Value | null)[] | null> {
    const found = this.#memtables.find(key, table);
    const segments = this.#durable.bySize;
    if (found.length > 0 || isDamaged(segments)) {
      return this.#valuesJoined(found, key, table, columns);
    }
    const wanted = new KeyToFind(table, key);
    const lookup = new Lookup();
    const values = valuesIn(segments, wanted, columns, lookup);
    return values === undefined ? this.#valuesReading(segments, wanted, columns, lookup) : values;
  }

  // Apart from `values`, as functions made there would cost every call.
  #valuesReading(
    segments: readonly LiveSegment[],
    key: KeyToFind,
    columns: readonly Column[],
    lookup: Lookup,
  ): Promise<(Value | null)[] | null> {
    return this.#whilePinned(findReading(lookup, () => valuesIn(segments, key, columns, lookup)));
  }

  #valuesJoined(
    found: Rows[],
    key: Uint8Array,
    table: Table,
    columns: readonly Column[],
  ): Promise<(Value | null)[] | null> {
    return this.#lookJoined(found, key, table, (rows) => rowValues(table, rows, 0, columns));
  }

  async #lookJoined<T>(
    found: Rows[],
    key: Uint8Array,
    table: Table,
    ofRows: (rows: Rows) => T | null,
  ): Promise<T | null> {
    const segments = this.#durable.pin();
    try {
      const rows = await this.#join(found, segments, key, table);
      return rows === null ? null : ofRows(rows);
    } finally {
      this.#durable.unpin(segments);
    }
  }

  /** The files of the segments there are now stay until the answer is there. */
  async #whilePinned<T>(answer: Promise<T>): Promise<T> {
    const segments = this.#durable.pin();
    try {
      return await answer;
    } finally {
      this.#durable.unpin(segments);
    }
  }

  /** All that is known of the row with that key, live or deleted; null when it was never written. */
  async state(table: Table, key: Uint8Array): Promise<RowState | null> {
    const found = this.#memtables.find(key, table);
    const segments = this.#durable.pin();
    try {
      const rows = await this.#join(found, segments, key, table);
      return rows === null ? null : rowState(table, rows, 0);
    } finally {
      this.#durable.unpin(segments);
    }
  }

  /** What memtables and segments hold of a key, joined; null when it is nothing. */
  async #join(found: Rows[], segments: readonly LiveSegment[], key: Uint8Array, table: Table): Promise<Rows | null> {
    const shared = cellKinds(table);
    const want: Want = { columns: NO_COLUMNS, shared, keys: true, stamps: true };
    const wanted = new KeyToFind(table, key);
    const isWhole = !isDamaged(segments);
    for (let i = segments.length - 1; i >= 0; i--) {
      const { segment, live } = segments[i]!;
      const row = await segment.keys.find(wanted);
      if (row === -1 || live?.isLive(row) === false) continue;
      found.push(await segment.rows.row(row, shared, key));
      if (isWhole) break;
    }
    return found.length === 0 ? null : mergeRow(found, want);
  }
}

const NO_COLUMNS: Want['columns'] = new Map();

function isDamaged(segments: readonly LiveSegment[]): boolean {
  for (let i = 0; i < segments.length; i++) if (segments[i]!.damage !== null) return true;
  return false;
}

/** The live row with that key, which no memtable has; undefined after a miss. Segments are looked into in their order. */
function getIn(
  segments: readonly LiveSegment[],
  key: KeyToFind,
  table: Table,
  lookup: Lookup,
): StoredRow | null | undefined {
  for (let i = 0; i < segments.length; i++) {
    const row = liveRowOf(segments[i]!, key, lookup, i === segments.length - 1);
    if (row === -1) continue;
    const { rows } = segments[i]!.segment;
    if (row !== undefined) return rows.storedRow(table, key.bytes, lookup);
    if (lookup.isNear) rows.foreseeRow(table, lookup);
    return undefined;
  }
  return null;
}

/** As `getIn`, some values of it. */
function valuesIn(
  segments: readonly LiveSegment[],
  key: KeyToFind,
  columns: readonly Column[],
  lookup: Lookup,
): (Value | null)[] | null | undefined {
  for (let i = 0; i < segments.length; i++) {
    const row = liveRowOf(segments[i]!, key, lookup, i === segments.length - 1);
    if (row === -1) continue;
    const { rows } = segments[i]!.segment;
    if (row !== undefined) return rows.valuesOf(columns, lookup);
    if (lookup.isNear) rows.foreseeValues(columns, lookup);
    return undefined;
  }
  return null;
}

/** −1 when the segment has no such row that is live: then another may have it, whole. */
function liveRowOf(
  { segment, live }: LiveSegment,
  key: KeyToFind,
  lookup: Lookup,
  isLast: boolean,
): number | undefined {
  const row = segment.keys.rowOf(key, lookup, isLast);
  return row !== undefined && row !== -1 && live?.isLive(row) === false ? -1 : row;
}
