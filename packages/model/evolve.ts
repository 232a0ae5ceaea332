/**
 * From a keyspace file to the keyspace as the system holds it: the first one gives ids and numbers, later ones change
 * what may change. Pure; ids and numbers are never used twice, because dropped columns stay in the table.
 */

import { Fault } from '@tidemark/platform/fault';
import { type ColumnType, formatColumnType, LIMITS, parseColumnType } from './column-type.ts';
import {
  COUNTS,
  type ColumnFile,
  checkColumnName,
  isDropped,
  type KeyspaceFile,
  parseAck,
  type TableFile,
} from './keyspace-file.ts';
import { nearestHint } from './nearest.ts';
import {
  type Column,
  columnNamed,
  formatAck,
  type Keyspace,
  keyColumns,
  type Site,
  type Table,
  tableNamed,
} from './table.ts';

/** What a file leads to: the keyspace, and a line for each thing that changes; none when the file says nothing new. */
export type Evolution = { readonly keyspace: Keyspace; readonly changes: string[] };

/**
 * Applies a file to what is stored (null when nothing is). What the file leaves out stays as stored; at creation
 * failover is automatic, no epoch begins with a lower k than `ack` says, there are 8 partitions, and keys have no sort part.
 * @throws {Fault} `invalid`: the change is not allowed; names both values.
 */
export function evolve(stored: Keyspace | null, file: KeyspaceFile): Evolution {
  return stored === null ? create(file) : change(stored, file);
}

function create(file: KeyspaceFile): Evolution {
  const keyspace: Keyspace = {
    name: file.keyspace,
    version: 1,
    mode: 'single',
    primary: file.primary,
    ack: parseAck(file.ack),
    failover: file.failover ?? 'automatic',
    degradeTo: file.degradeTo ?? parseAck(file.ack).k,
    sites: Object.entries(file.sites).map(([name, role], i): Site => ({ name, number: i + 1, role })),
    partitions: file.partitions ?? COUNTS.partitionsDefault,
    tables: Object.entries(file.tables).map(([name, table], i) => createTable(i + 1, name, table)),
  };
  checkSize(keyspace);
  return { keyspace, changes: [`keyspace ${file.keyspace}: created`, ...keyspace.tables.map((t) => created(t))] };
}

function created(table: Table): string {
  return `table ${table.name}: created`;
}

/** A new table takes no notice of `renamedFrom` and `dropped`: they tell of an older one. */
function createTable(id: number, name: string, file: TableFile): Table {
  const columns = Object.entries(file.columns)
    .flatMap(([column, wanted]) => (isDropped(wanted) ? [] : [{ name: column, type: typeOf(wanted) }]))
    .map((column, i): Column => ({ id: i + 1, ...column, dropped: false }));
  const idOf = (column: string): number => columns.find((c) => c.name === column)!.id;
  const dynamicColumnsMax = file.dynamicColumns?.max ?? 0;
  return { id, name, columns, key: keyNames(file).map(idOf), dynamicColumnsMax, dynamicColumns: 0 };
}

function keyNames(file: TableFile): string[] {
  return [file.partitionKey, ...(file.sortKey ?? [])];
}

function typeOf(column: Exclude<ColumnFile, { dropped: true }>): ColumnType {
  return parseColumnType(typeof column === 'string' ? column : column.type);
}

function change(stored: Keyspace, file: KeyspaceFile): Evolution {
  const changes: string[] = [];
  const fixed = (what: string, was: unknown, wanted: unknown, why: string): void => {
    if (was !== wanted) throw refused(`keyspace ${stored.name}: ${what}`, was, wanted, why);
  };
  fixed('name', stored.name, file.keyspace, 'it is another keyspace');
  fixed('mode', stored.mode, file.mode ?? stored.mode, 'it is fixed at creation');
  fixed('partitions', stored.partitions, file.partitions ?? stored.partitions, 'it is fixed at creation');
  fixed('primary', stored.primary, file.primary, 'a switchover moves the primary');
  fixed('ack', formatAck(stored.ack), formatAck(parseAck(file.ack)), 'it is fixed at creation for now');
  const failover = file.failover ?? stored.failover;
  if (failover !== stored.failover) changes.push(`failover: ${stored.failover} → ${failover}`);
  const degradeTo = file.degradeTo ?? stored.degradeTo;
  if (degradeTo !== stored.degradeTo) changes.push(`degradeTo: ${stored.degradeTo} → ${degradeTo}`);
  checkSites(stored, file);
  const tables = changeTables(stored, file, changes);
  if (changes.length === 0) return { keyspace: stored, changes };
  const keyspace: Keyspace = { ...stored, version: stored.version + 1, failover, degradeTo, tables };
  checkSize(keyspace);
  return { keyspace, changes };
}

/** Who is a member, and who has a vote, stands in the register from its first change on: the file alone moves nobody. */
function checkSites(stored: Keyspace, file: KeyspaceFile): void {
  for (const site of stored.sites) {
    const role = file.sites[site.name];
    if (role !== site.role) throw refused(`site ${site.name}`, site.role, role ?? 'nothing', 'a site stays as it is');
  }
  const known = stored.sites.map((site) => site.name);
  for (const [name, role] of Object.entries(file.sites)) {
    if (known.includes(name)) continue;
    const why = `a keyspace's sites are fixed at creation for now: ${known.join(', ')}${nearestHint(name, known)}`;
    throw refused(`site ${name}`, 'nothing', role, why);
  }
}

function changeTables(stored: Keyspace, file: KeyspaceFile, changes: string[]): Table[] {
  const tables = stored.tables.map((table) => {
    const wanted = file.tables[table.name];
    if (wanted !== undefined) return changeTable(table, wanted, changes);
    const hint = nearestHint(table.name, Object.keys(file.tables));
    throw refused(`table ${table.name}`, 'here', `not in the file${hint}`, 'a table is not removed this way');
  });
  for (const [name, wanted] of Object.entries(file.tables)) {
    if (tables.some((table) => table.name === name)) continue;
    const table = createTable(nextAfter(tables.map((t) => t.id)), name, wanted);
    tables.push(table);
    changes.push(created(table));
  }
  return tables;
}

function changeTable(table: Table, file: TableFile, changes: string[]): Table {
  const columns = changeColumns(table, file, changes);
  const changed: Table = { ...table, columns, dynamicColumnsMax: changeDynamic(table, file, changes) };
  const was = keyColumns(changed).map((column) => column.name);
  const wanted = file.sortKey === undefined ? [file.partitionKey, ...was.slice(1)] : keyNames(file);
  if (was.join('\0') !== wanted.join('\0')) {
    throw refused(`table ${table.name}: key`, was.join(', '), wanted.join(', '), 'it is fixed at creation');
  }
  return changed;
}

function changeDynamic(table: Table, file: TableFile, changes: string[]): number {
  const was = table.dynamicColumnsMax;
  const max = file.dynamicColumns === undefined ? was : (file.dynamicColumns?.max ?? 0);
  if (max < was) throw refused(`table ${table.name}: dynamicColumns.max`, was, max, 'it can only grow');
  if (max > was) changes.push(`table ${table.name}: dynamic columns ${was} → ${max}`);
  return max;
}

/** The columns after the change: first each file column finds its stored one, then what was not found is missing. */
function changeColumns(table: Table, file: TableFile, changes: string[]): Column[] {
  const columns = [...table.columns];
  const named = new Set<number>();
  for (const [name, wanted] of Object.entries(file.columns)) {
    const stored = storedColumn(table, name, wanted);
    if (stored !== undefined) {
      if (named.has(stored.id)) {
        const why = 'rename it first, alone, then give its name to a new one';
        throw refused(`table ${table.name}: column ${stored.name}`, 'one column', 'two columns', why);
      }
      named.add(stored.id);
      const index = columns.findIndex((c) => c.id === stored.id);
      columns[index] = changeColumn(table, stored, name, wanted, changes);
    } else if (!isDropped(wanted)) {
      const type = typeOf(wanted);
      columns.push({ id: nextAfter(columns.map((c) => c.id)), name, type, dropped: false });
      changes.push(`table ${table.name}: column ${name} ${formatColumnType(type)} added`);
    }
  }
  const missing = table.columns.find((c) => !c.dropped && c.dynamic !== true && !named.has(c.id));
  if (missing !== undefined) {
    const why = 'to drop it, say {"dropped": true}';
    throw refused(`table ${table.name}: column ${missing.name}`, 'here', 'not in the file', why);
  }
  return columns;
}

/**
 * The stored column a file's column is about; undefined when it is to be added, or was dropped before. A file applied
 * twice finds its renames done: `renamedFrom` then names nothing, and the new name is there.
 */
function storedColumn(table: Table, name: string, wanted: ColumnFile): Column | undefined {
  const here = columnNamed(table, name);
  if (typeof wanted !== 'string' && isDropped(wanted)) {
    if (here !== undefined || table.columns.some((c) => c.name === name)) return here;
    throw unknownColumn(table, name);
  }
  const from = typeof wanted === 'string' ? undefined : wanted.renamedFrom;
  if (from === undefined) return here;
  const before = columnNamed(table, from);
  if (before === undefined && here === undefined) throw unknownColumn(table, from);
  if (before !== undefined && here !== undefined && before.id !== here.id) {
    const why = 'there is a column of the new name already';
    throw refused(`table ${table.name}: column`, from, name, why);
  }
  return before ?? here;
}

function unknownColumn(table: Table, name: string): Fault {
  const known = table.columns.filter((c) => !c.dropped).map((c) => c.name);
  const expected = known.join(', ');
  const message = `table ${table.name} has no column "${name}"${nearestHint(name, known)}; it has ${expected}`;
  return new Fault('invalid', message, { table: table.name, column: name, got: name, expected });
}

function changeColumn(table: Table, stored: Column, name: string, wanted: ColumnFile, changes: string[]): Column {
  const where = `table ${table.name}: column ${stored.name}`;
  const isKey = table.key.includes(stored.id);
  if (isDropped(wanted)) {
    if (isKey) throw refused(where, 'part of the key', 'dropped', 'the key is fixed at creation');
    changes.push(`${where} dropped`);
    return { ...stored, dropped: true };
  }
  if (stored.name !== name) changes.push(`${where} renamed to ${name}`);
  const [was, type] = [formatColumnType(stored.type), formatColumnType(typeOf(wanted))];
  if (was === type) return { ...stored, name };
  if (isKey) throw refused(where, was, type, 'the key is fixed at creation');
  if (was !== 'int' || type !== 'long') throw refused(where, was, type, 'only int can become long');
  changes.push(`${where} int → long`);
  return { ...stored, name, type: typeOf(wanted) };
}

/** As `addDynamicColumns`, of one column. */
export function addDynamicColumn(keyspace: Keyspace, tableName: string, name: string, type: ColumnType): Keyspace {
  return addDynamicColumns(keyspace, tableName, [{ name, type }]);
}

/**
 * The keyspace, one version later, with more columns of a table, which came into being by being written.
 * @throws {Fault} `invalid`: the table takes no such column, or has as many as it may have.
 */
export function addDynamicColumns(
  keyspace: Keyspace,
  tableName: string,
  wanted: readonly { readonly name: string; readonly type: ColumnType }[],
): Keyspace {
  const table = tableNamed(keyspace, tableName);
  const taken = new Set(table.columns.flatMap((column) => (column.dropped ? [] : [column.name])));
  const first = nextAfter(table.columns.map((column) => column.id));
  const added = wanted.map(({ name, type }, i): Column => {
    checkColumnName(tableName, name);
    if (taken.has(name)) {
      throw new Fault('invalid', `table ${tableName} has a column "${name}" already`, { table: tableName, got: name });
    }
    taken.add(name);
    checkDynamicColumns(table, table.dynamicColumns + i + 1, name);
    return { id: first + i, name, type, dropped: false, dynamic: true };
  });
  const dynamicColumns = table.dynamicColumns + added.length;
  const grown: Table = { ...table, columns: [...table.columns, ...added], dynamicColumns };
  const tables = keyspace.tables.map((t) => (t.id === table.id ? grown : t));
  const changed = { ...keyspace, version: keyspace.version + 1, tables };
  checkSize(changed);
  return changed;
}

/** @throws {Fault} `invalid`: `count` dynamic columns are more than the table may have; `name` is the one too many. */
export function checkDynamicColumns(table: Table, count: number, name: string): void {
  const max = table.dynamicColumnsMax;
  if (count <= max) return;
  const message = `table ${table.name}: column "${name}" would be dynamic column ${count}, at most ${max}`;
  throw new Fault('invalid', message, { table: table.name, column: name, got: count, expected: max });
}

/** A keyspace travels whole in one SCHEMA record. */
function checkSize(keyspace: Keyspace): void {
  const bytes = Buffer.byteLength(JSON.stringify(keyspace));
  const max = LIMITS.recordBytesMax;
  if (bytes > max)
    throw refused(`keyspace ${keyspace.name}: bytes as JSON`, `at most ${max}`, bytes, 'too many columns');
}

function nextAfter(taken: readonly number[]): number {
  return taken.reduce((max, n) => Math.max(max, n), 0) + 1;
}

function refused(what: string, stored: unknown, wanted: unknown, why: string): Fault {
  const message = `${what}: stored ${stored}, wanted ${wanted}: refused, ${why}`;
  return new Fault('invalid', message, { got: wanted, expected: stored });
}
