/** A batch's lines as the bytes of a request: as they are, or by column. */

import type { Database, Receipt, WriteOptions } from '@tidemark/client';
import { COLUMNAR_CONTENT_TYPE } from '@tidemark/columnar/columnar';
import { encodeColumnarRows, type ValueRow } from '@tidemark/columnar/columnar-write';
import type { ColumnType } from '@tidemark/model/column-type';
import { valueFromJson } from '@tidemark/model/text/cell-value';
import { isFault } from '@tidemark/platform/fault';

/** `columns` costs this side more and the site less; with the site on another machine that is the faster way. */
export type Wire =
  | { readonly kind: 'ndjson' }
  | { readonly kind: 'columns'; readonly types: ReadonlyMap<string, ColumnType> };

/** The table that rows are sent to. */
export type Place = { readonly keyspace: string; readonly table: string };

/**
 * Sends lines as one batch. By column, a batch is taken whole or not at all: one that holds a bad row goes again as
 * lines under the same key, so that only the bad row is refused.
 * @throws {Fault} as `Database.put`
 */
export async function sendLines(
  db: Database,
  place: Place,
  lines: readonly string[],
  wire: Wire,
  options: WriteOptions,
): Promise<Receipt> {
  const rowCount = lines.length;
  const columns = wire.kind === 'columns' ? columnarBody(lines, wire.types) : null;
  if (columns !== null) {
    try {
      return await db.writeEncoded({ ...place, contentType: COLUMNAR_CONTENT_TYPE, body: columns, rowCount }, options);
    } catch (error) {
      if (!isFault(error, 'invalid')) throw error;
    }
  }
  const body = `${lines.join('\n')}\n`;
  return db.writeEncoded({ ...place, contentType: 'application/x-ndjson', body, rowCount }, options);
}

/** Lines by column; null when one of them is no row of these columns, which is for the site to say. */
export function columnarBody(
  lines: readonly string[],
  types: ReadonlyMap<string, ColumnType>,
): Uint8Array<ArrayBuffer> | null {
  const rows: ValueRow[] = [];
  for (const line of lines) {
    const row = valuesOf(line, types);
    if (row === null) return null;
    rows.push(row);
  }
  return Uint8Array.from(encodeColumnarRows(types, rows));
}

function valuesOf(line: string, types: ReadonlyMap<string, ColumnType>): ValueRow | null {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    return null;
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return null;
  const row = json as Record<string, unknown>;
  for (const name in row) {
    const type = name === '$delete' ? ({ name: 'boolean' } as const) : types.get(name);
    if (row[name] === null) continue;
    const value = type === undefined ? undefined : valueFromJson(type, row[name]);
    if (value === undefined || (typeof value === 'string' && !value.isWellFormed())) return null;
    row[name] = value;
  }
  return row as ValueRow;
}
