/** Names that no keyspace can have, as something of the system has them: one list for routes, folders, topics and SQL. */

import { Fault } from '@tidemark/platform/fault';

const ROUTES = ['keyspaces', 'status', 'history', 'jobs', 'watchdog', 'internal', 'openapi', 'metrics'];
/** Of a site's data folder. */
const FOLDERS = ['checkpoints', 'tails', 'board', 'log', 'site', 'lock'];
/** `tidemark.control` is a topic of its own. */
const TOPICS = ['control'];
/** Schemas and catalogs of DuckDB, in which `keyspace.table` means something else. */
const SQL = ['temp', 'system', 'memory', 'information_schema', 'pg_catalog'];

const RESERVED: ReadonlyMap<string, string> = new Map([
  ...ROUTES.map((name) => [name, 'a route'] as const),
  ...FOLDERS.map((name) => [name, "a part of a site's data folder"] as const),
  ...TOPICS.map((name) => [name, 'a topic'] as const),
  ...SQL.map((name) => [name, 'a name of the SQL engine'] as const),
]);

/** @throws {Fault} `invalid`: the system has the name, in whatever case; it says for what. */
export function refuseReserved(keyspace: string): void {
  const what = RESERVED.get(keyspace.toLowerCase());
  if (what === undefined) return;
  throw new Fault('invalid', `keyspace "${keyspace}": the name is taken by the system (${what}); choose another`, {
    got: keyspace,
    expected: 'another name',
  });
}
