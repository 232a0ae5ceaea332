/**
 * The keyspace file: what a user writes to define a keyspace, and what reading it gives back. One strict shape; what
 * breaks it is named with both values.
 */

import { Fault } from '@tidemark/platform/fault';
import { z } from 'zod';
import { formatColumnType, parseColumnType } from './column-type.ts';
import { nearestHint } from './nearest.ts';
import { refuseReserved } from './reserved.ts';
import { type AckLevel, ackOf, type Column, columnById, formatAck, type Keyspace, type Table } from './table.ts';

/** How many of each thing a keyspace may have. */
export const COUNTS = { partitionsMax: 1024, partitionsDefault: 8, sitesMax: 255, columnsMax: 4096 } as const;
const COLUMN_NAME_LENGTH_MAX = 128;
const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
/** Names some file systems keep for devices. */
const DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)$/i;
const NAME_EXPECTED = 'letters, digits, _ and -, beginning with a letter or digit, at most 64';
const UNPRINTABLE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u;
/** What is said of a name that is none. */
export const COLUMN_NAME_EXPECTED = `printable text of at most ${COLUMN_NAME_LENGTH_MAX} characters that does not begin with $ and is not __proto__`;

/** Names of keyspaces, tables and sites become parts of topic names and folders. */
export function isName(text: string): boolean {
  return NAME.test(text) && !DEVICE.test(text);
}

/** A column's name goes into messages and JSON only. `__proto__` is not a property a JSON object can safely have. */
export function isColumnName(text: string): boolean {
  const printable = text.length > 0 && text.length <= COLUMN_NAME_LENGTH_MAX && !UNPRINTABLE.test(text);
  return printable && !text.startsWith('$') && text !== '__proto__';
}

/** @throws {Fault} `invalid`: not a column's name. */
export function checkColumnName(table: string, name: string): void {
  if (isColumnName(name)) return;
  const expected = COLUMN_NAME_EXPECTED;
  const message = `table ${table}: column name ${JSON.stringify(name)}, expected ${expected}`;
  throw new Fault('invalid', message, { table, column: name, got: name, expected });
}

const nameSchema = z.string().refine(isName, { error: NAME_EXPECTED });
const typeSchema = z.string().refine((text) => isType(text), {
  error: 'boolean int long double string bytes timestamp date decimal(p,s) with p ≤ 18',
});
const columnSchema = z.union(
  [
    typeSchema,
    z.strictObject({ type: typeSchema, renamedFrom: z.string().optional() }),
    z.strictObject({ dropped: z.literal(true) }),
  ],
  { error: 'a type, {"type": …, "renamedFrom": …} or {"dropped": true}' },
);
const tableSchema = z.strictObject({
  columns: z.record(z.string().refine(isColumnName, { error: COLUMN_NAME_EXPECTED }), columnSchema),
  partitionKey: z.string(),
  sortKey: z.array(z.string()).optional(),
  dynamicColumns: z.strictObject({ max: z.int().min(1).max(COUNTS.columnsMax) }).nullish(),
  ttl: z.null({ error: 'null (rows that expire by themselves are not built yet)' }).optional(),
});

/** The shape of the file. What may be left out is as stored, or at creation the default named in `evolve.ts`. */
export const KEYSPACE_FILE = z.strictObject({
  keyspace: nameSchema,
  mode: z.literal('single', { error: '"single" (several primaries at once are not built yet)' }).optional(),
  primary: nameSchema,
  ack: z.string().regex(/^(local|sync\([1-9]\d{0,2}\))$/, { error: 'local or sync(k)' }),
  failover: z.enum(['automatic', 'manual']).optional(),
  degradeTo: z.int().min(0).optional(),
  sites: z.record(nameSchema, z.enum(['data', 'witness'])),
  partitions: z.int().min(1).max(COUNTS.partitionsMax).optional(),
  tables: z.record(nameSchema, tableSchema),
});

/** A keyspace file that was checked. */
export type KeyspaceFile = z.infer<typeof KEYSPACE_FILE>;
/** One table of a keyspace file, by columns and key. */
export type TableFile = KeyspaceFile['tables'][string];
/** One column of a keyspace file: its type, its type and the name it had before, or that it was dropped. */
export type ColumnFile = TableFile['columns'][string];

function isType(text: string): boolean {
  try {
    parseColumnType(text);
    return true;
  } catch {
    return false;
  }
}

/** @throws {Fault} `invalid`: names every field that is wrong, what was got and what is expected. */
export function parseKeyspaceFile(json: unknown): KeyspaceFile {
  refuseProto(json, 'keyspace file');
  const parsed = KEYSPACE_FILE.safeParse(json);
  if (!parsed.success) throw faultOf(json, parsed.error.issues);
  const file = parsed.data;
  refuseReserved(file.keyspace);
  checkSites(file);
  for (const [name, table] of Object.entries(file.tables)) checkTable(name, table);
  refuseTwins('table', Object.keys(file.tables));
  return file;
}

/** `local` or `sync(k)` as a level. @throws {Fault} `invalid`: neither. */
export function parseAck(text: string): AckLevel {
  if (text === 'local') return ackOf(0);
  const k = Number(/^sync\(([1-9]\d*)\)$/.exec(text)?.[1]);
  if (Number.isNaN(k)) throw refused('ack', text, 'local or sync(k)');
  return ackOf(k);
}

function checkSites(file: KeyspaceFile): void {
  const names = Object.keys(file.sites);
  const data = names.filter((name) => file.sites[name] === 'data');
  refuseTwins('site', names);
  if (names.length > COUNTS.sitesMax) throw refused('sites', names.length, `at most ${COUNTS.sitesMax}`);
  if (!data.includes(file.primary)) {
    const hint = nearestHint(file.primary, data);
    throw refused('primary', file.primary, `a data site, one of ${data.join(', ')}${hint}`);
  }
  const { name, k } = parseAck(file.ack);
  if (name === 'sync' && k > data.length - 1) {
    throw refused('ack', file.ack, `at most ${data.length - 1} other data sites to wait for: there are ${data.length}`);
  }
  if (file.degradeTo !== undefined && file.degradeTo > k) {
    throw refused('degradeTo', file.degradeTo, `at most ${k} other sites, as ack is ${file.ack}`);
  }
}

function checkTable(name: string, table: TableFile): void {
  const live = Object.keys(table.columns).filter((c) => !isDropped(table.columns[c]!));
  if (live.length > COUNTS.columnsMax) {
    throw refused(`tables.${name}.columns`, live.length, `at most ${COUNTS.columnsMax}`);
  }
  const key = [table.partitionKey, ...(table.sortKey ?? [])];
  key.forEach((part, i) => {
    const field = `tables.${name}.${i === 0 ? 'partitionKey' : 'sortKey'}`;
    const hint = nearestHint(part, live);
    if (!live.includes(part)) throw refused(field, part, `one of its columns: ${live.join(', ')}${hint}`);
    if (key.indexOf(part) !== i) throw refused(field, part, 'each column once in the key');
  });
}

/** True for `{"dropped": true}`. */
export function isDropped(column: ColumnFile): column is { dropped: true } {
  return typeof column !== 'string' && 'dropped' in column;
}

/** Two names that differ by case alone are one folder on some file systems. */
function refuseTwins(what: string, names: readonly string[]): void {
  const seen = new Map<string, string>();
  for (const name of names) {
    const twin = seen.get(name.toLowerCase());
    if (twin !== undefined) throw refused(`${what}s`, name, `a name that differs from ${twin} by more than case`);
    seen.set(name.toLowerCase(), name);
  }
}

/** Zod passes over a property called `__proto__`; here it must not go unnoticed. */
function refuseProto(json: unknown, path: string): void {
  if (typeof json !== 'object' || json === null) return;
  if (Object.hasOwn(json, '__proto__')) throw refused(path, '__proto__', 'any other name');
  for (const [name, value] of Object.entries(json)) refuseProto(value, `${path}.${name}`);
}

function faultOf(json: unknown, issues: readonly z.core.$ZodIssue[]): Fault {
  const found = issues.map((issue) => findingOf(json, issue));
  const [first] = found;
  const lines = found.map((f) => `${f.field}: got ${clipped(f.got)}, expected ${f.expected}`);
  return new Fault('invalid', `keyspace file: ${lines.join('; ')}`, { got: first?.got, expected: first?.expected });
}

type Finding = { readonly field: string; readonly got: unknown; readonly expected: string };

/** What is wrong, by field. A union's own complaint says too little: the branch that got furthest says what. */
function findingOf(json: unknown, issue: z.core.$ZodIssue, above: readonly PropertyKey[] = []): Finding {
  const path = [...above, ...issue.path];
  const field = path.length === 0 ? 'the file' : path.join('.');
  const got = path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key], json);
  if (issue.code === 'unrecognized_keys') {
    const [key] = issue.keys;
    const known = knownFields(path);
    return { field, got: key, expected: `one of ${known.join(', ')}${nearestHint(key!, known)}` };
  }
  if (issue.code === 'invalid_union') {
    const branch = typeof got === 'string' ? 0 : typeof got === 'object' && got !== null ? branchOf(got) : null;
    const inner = branch === null ? undefined : issue.errors[branch]?.[0];
    if (inner !== undefined) return findingOf(json, inner, path);
  }
  if (issue.code === 'invalid_key') return { field, got: path.at(-1), expected: issue.issues[0]?.message ?? 'a name' };
  return { field, got, expected: expectedBy(issue) };
}

function branchOf(column: object): number {
  return 'dropped' in column ? 2 : 1;
}

function expectedBy(issue: z.core.$ZodIssue): string {
  if (!issue.message.startsWith('Invalid') && !issue.message.startsWith('Too')) return issue.message;
  if (issue.code === 'invalid_type') return `${issue.expected}`;
  if (issue.code === 'too_small') return `at least ${issue.minimum}`;
  if (issue.code === 'too_big') return `at most ${issue.maximum}`;
  if (issue.code === 'invalid_value') return issue.values.map((value) => JSON.stringify(value)).join(' or ');
  return issue.message;
}

/** The fields the file has at a path. */
function knownFields(path: readonly PropertyKey[]): string[] {
  if (path.length === 0) return Object.keys(KEYSPACE_FILE.shape);
  if (path.length === 2) return Object.keys(tableSchema.shape);
  return path.at(-1) === 'dynamicColumns' ? ['max'] : ['type', 'renamedFrom', 'dropped'];
}

function refused(field: string, got: unknown, expected: string): Fault {
  return new Fault('invalid', `keyspace file: ${field}: got ${clipped(got)}, expected ${expected}`, { got, expected });
}

function clipped(value: unknown): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length <= 80 ? text : `${text.slice(0, 80)}…`;
}

/** The file that describes a keyspace as it is: applied again, it changes nothing. Dropped columns are left out. */
export function formatKeyspaceFile(keyspace: Keyspace): KeyspaceFile {
  return {
    keyspace: keyspace.name,
    mode: keyspace.mode,
    primary: keyspace.primary,
    ack: formatAck(keyspace.ack),
    failover: keyspace.failover,
    ...(keyspace.degradeTo < keyspace.ack.k ? { degradeTo: keyspace.degradeTo } : {}),
    sites: Object.fromEntries(keyspace.sites.map((site) => [site.name, site.role])),
    partitions: keyspace.partitions,
    tables: Object.fromEntries(keyspace.tables.map((table) => [table.name, formatTable(table)])),
  };
}

function formatTable(table: Table): TableFile {
  const [partitionKey, ...sortKey] = table.key.map((id) => columnById(table, id).name);
  const live = table.columns.filter((column: Column) => !column.dropped);
  return {
    columns: Object.fromEntries(live.map((column) => [column.name, formatColumnType(column.type)])),
    partitionKey: partitionKey!,
    sortKey,
    dynamicColumns: table.dynamicColumnsMax === 0 ? null : { max: table.dynamicColumnsMax },
    ttl: null,
  };
}
