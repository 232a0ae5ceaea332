/** The keyspace that a command's table belongs to, as a site has it. */

import type { Database } from '@tidemark/client';
import { splitTableName } from '@tidemark/client/table';
import type { ColumnType } from '@tidemark/model/column-type';
import { evolve } from '@tidemark/model/evolve';
import { KEYSPACE_FILE, type KeyspaceFile, parseKeyspaceFile } from '@tidemark/model/keyspace-file';
import { type Keyspace, type Table, tableNamed } from '@tidemark/model/table';
import { Fault, isFault } from '@tidemark/platform/fault';

type StoredKeyspace = {
  readonly file: KeyspaceFile;
  /** Made from the file: names, types and keys are right, ids and version are not the site's. */
  readonly keyspace: Keyspace;
  readonly version: number;
};

/** Null when there is no such keyspace. @throws {Fault} `unavailable`. */
export async function readKeyspace(db: Database, name: string): Promise<StoredKeyspace | null> {
  try {
    using reply = await db.ask('any', { method: 'GET', path: `/v1/keyspaces/${encodeURIComponent(name)}` });
    const body = (await reply.response.json()) as Readonly<Record<string, unknown>>;
    const file = parseKeyspaceFile(fieldsOfFile(body));
    const etag = /\d+/.exec(reply.response.headers.get('etag') ?? '')?.[0];
    return { file, keyspace: evolve(null, file).keyspace, version: Number(body.version ?? etag ?? 1) };
  } catch (error) {
    if (isFault(error, 'notFound')) return null;
    throw error;
  }
}

/** A site may say more about a keyspace than its file holds. */
function fieldsOfFile(body: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.keys(KEYSPACE_FILE.shape).flatMap((key) => (key in body ? [[key, body[key]]] : [])));
}

/** A table by name, with its keyspace as a site stores it. */
export type NamedTable = {
  readonly keyspace: string;
  readonly name: string;
  readonly table: Table;
  readonly stored: StoredKeyspace;
};

/** @throws {Fault} `invalid`: not `keyspace.table`. `notFound`: no such keyspace or table, naming those there are. */
export async function readTable(db: Database, fullName: string): Promise<NamedTable> {
  const { keyspace, name } = splitTableName(fullName);
  const stored = await readKeyspace(db, keyspace);
  if (stored === null) throw noKeyspace(keyspace);
  return { keyspace, name, table: tableNamed(stored.keyspace, name), stored };
}

/** Null for a table that the keyspace does not name: a replay may have made it, and only the site knows its columns. */
export async function knownTable(
  db: Database,
  place: { readonly keyspace: string; readonly name: string },
): Promise<Table | null> {
  const stored = await readKeyspace(db, place.keyspace);
  if (stored === null) throw noKeyspace(place.keyspace);
  return stored.keyspace.tables.find((table) => table.name === place.name) ?? null;
}

/** The Fault of a keyspace that no site knows. */
export function noKeyspace(name: string): Fault {
  return new Fault('notFound', `there is no keyspace "${name}"; tidemark apply FILE makes one`, {
    got: name,
  });
}

/** The types of a table's columns, by name. */
export function columnTypes(table: Table): Map<string, ColumnType> {
  return new Map(table.columns.filter((column) => !column.dropped).map((column) => [column.name, column.type]));
}
