/** The nouns: keyspace, table, column, as the system holds them once a keyspace file was accepted. */

import { Fault } from '@tidemark/platform/fault';
import { type ColumnType, type Physical, physicalOf } from './column-type.ts';

/** One column of a table; it is stored under its id, so a rename or drop touches no cell. */
export type Column = {
  /** Given by the system, unique in the table, never used twice. */
  readonly id: number;
  readonly name: string;
  readonly type: ColumnType;
  /** True once dropped: the id stays taken, the cells are no longer shown. */
  readonly dropped: boolean;
  /** True when it came into being by being written: a keyspace file need not name it. */
  readonly dynamic?: true;
};

/** A table of a keyspace; columns are never removed from `columns`, only dropped. */
export type Table = {
  /** Given by the system, unique in the keyspace. */
  readonly id: number;
  readonly name: string;
  readonly columns: readonly Column[];
  /** Column ids of the key: the partition key first, then the sort key in order. */
  readonly key: readonly number[];
  /** How many columns may come into being by being written; 0 when undeclared columns are refused. */
  readonly dynamicColumnsMax: number;
  /** How many came into being so far. */
  readonly dynamicColumns: number;
};

/** `k` is how many sites beside the origin hold a write before it is acked; 0 for `local`. */
export type AckLevel = { readonly name: 'local' | 'sync'; readonly k: number };

/** One site of a keyspace. A witness votes and holds no data. */
export type Site = {
  readonly name: string;
  /** Small number that stands for the site in stamps; given at creation, never used twice. */
  readonly number: number;
  readonly role: 'data' | 'witness';
};

/** The unit of replication: its tables share sites, partitions and the ack level (docs/protocol.md, glossary). */
export type Keyspace = {
  readonly name: string;
  /** 1 at creation, one more with every change. */
  readonly version: number;
  readonly mode: 'single';
  /** The site that writes until an election says otherwise. */
  readonly primary: string;
  readonly ack: AckLevel;
  readonly failover: 'automatic' | 'manual';
  /** The k that a new epoch may begin with when no more sites than that can hold what was acked; at most `ack.k`. */
  readonly degradeTo: number;
  readonly sites: readonly Site[];
  readonly partitions: number;
  readonly tables: readonly Table[];
};

/** What `k` other sites give: with none, no more than `local`. */
export function ackOf(k: number): AckLevel {
  return k === 0 ? { name: 'local', k } : { name: 'sync', k };
}

/** The ack level as keyspace files write it, `local` or `sync(2)`. */
export function formatAck(ack: AckLevel): string {
  return ack.name === 'local' ? 'local' : `sync(${ack.k})`;
}

/** @throws {Fault} `notFound`: no such table, naming the ones there are. */
export function tableNamed(keyspace: Keyspace, name: string): Table {
  const table = keyspace.tables.find((t) => t.name === name);
  if (table !== undefined) return table;
  const expected = keyspace.tables.map((t) => t.name).join(', ');
  throw new Fault('notFound', `keyspace ${keyspace.name} has no table "${name}"; it has ${expected}`, {
    table: name,
    got: name,
    expected,
  });
}

/** The table under its system-given id; undefined for one this version of the keyspace does not have. */
export function tableById(keyspace: Keyspace, id: number): Table | undefined {
  return keyspace.tables.find((t) => t.id === id);
}

/** The column of that name which is not dropped. */
export function columnNamed(table: Table, name: string): Column | undefined {
  return table.columns.find((c) => c.name === name && !c.dropped);
}

const columnsOf = new WeakMap<Table, ReadonlyMap<number, Column>>();

/** The columns by their system-given ids, dropped ones too; worked out once per table. */
export function columnsById(table: Table): ReadonlyMap<number, Column> {
  let columns = columnsOf.get(table);
  if (columns === undefined) {
    columns = new Map(table.columns.map((column) => [column.id, column]));
    columnsOf.set(table, columns);
  }
  return columns;
}

/**
 * The column under its system-given id, dropped ones too. @throws {Fault} `corrupt`: a stored id that the table does
 * not have
 */
export function columnById(table: Table, id: number): Column {
  const column = columnsById(table).get(id);
  if (column === undefined) throw new Fault('corrupt', `table ${table.name} has no column ${id}`, { got: id });
  return column;
}

/** The columns of the row key, partition key first. */
export function keyColumns(table: Table): Column[] {
  return table.key.map((id) => columnById(table, id));
}

/** The columns that are neither dropped nor part of the key. */
export function cellColumns(table: Table): Column[] {
  return table.columns.filter((c) => !c.dropped && !table.key.includes(c.id));
}

const kindsOf = new WeakMap<Table, ReadonlyMap<number, Physical>>();

/** The columns that are neither dropped nor part of the key, with their kinds; worked out once per table. */
export function cellKinds(table: Table): ReadonlyMap<number, Physical> {
  let kinds = kindsOf.get(table);
  if (kinds === undefined) {
    kinds = new Map(cellColumns(table).map(({ id, type }) => [id, physicalOf(type)]));
    kindsOf.set(table, kinds);
  }
  return kinds;
}

/** @throws {Fault} `invalid`: the site is not one of the keyspace's. */
export function siteNamed(keyspace: Keyspace, name: string): Site {
  const site = keyspace.sites.find((s) => s.name === name);
  if (site !== undefined) return site;
  const expected = keyspace.sites.map((s) => s.name).join(', ');
  throw new Fault('invalid', `keyspace ${keyspace.name} has no site "${name}"; it has ${expected}`, {
    got: name,
    expected,
  });
}

/** Topic names: what a site originates, what it copied, and what other programs feed it. */
export const topicNames = {
  log: (keyspace: string, site: string): string => `tidemark.${keyspace}.log.${site}`,
  mirror: (keyspace: string, origin: string): string => `tidemark.${keyspace}.mirror.${origin}`,
  ingest: (keyspace: string): string => `tidemark.${keyspace}.ingest`,
  ingestRejected: (keyspace: string): string => `tidemark.${keyspace}.ingest.rejected`,
  control: 'tidemark.control',
} as const;
