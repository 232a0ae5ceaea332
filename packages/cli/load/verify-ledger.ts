/** Looks up every acked row of a ledger at every site, and finds what is missing, wrong or from nowhere. */

import { connect, type Database } from '@tidemark/client';
import { parseLine, scanLines } from '@tidemark/client/ndjson';
import { splitTableName } from '@tidemark/client/table';
import { type ColumnType, parseColumnType } from '@tidemark/model/column-type';
import { own } from '@tidemark/model/own';
import { valueFromJson } from '@tidemark/model/text/cell-value';
import type { Ledger, LedgerEntry } from './ledger.ts';
import { type RowSource, sourceBatches } from './row-source.ts';

/** The columns of a table and its key: its part of a keyspace file. */
export type TableShape = {
  readonly columns: { readonly [name: string]: string };
  readonly partitionKey: string;
  readonly sortKey?: readonly string[];
};

type SiteVerdict = {
  readonly site: string;
  /** Rows the site has in all. */
  readonly rows: number;
  /** Acked, and not there. */
  readonly missing: number;
  /** There, with another value than the source's. */
  readonly wrong: number;
  /** There, and not in the source. */
  readonly extra: number;
  /** There without an ack: sent, and the answer was lost. */
  readonly unacked: number;
  /** The first findings in words. */
  readonly examples: readonly string[];
};

/** Sums over all sites; `checked` counts look-ups, acked rows times sites. */
export type LedgerVerdict = {
  readonly checked: number;
  readonly missing: number;
  readonly wrong: number;
  readonly extra: number;
  readonly unacked: number;
  readonly sites: readonly SiteVerdict[];
};

type VerifyOptions = {
  readonly ledger: Ledger;
  /** The source that was loaded; each of its rows has a key of its own. */
  readonly source: RowSource;
  /** Rows of the source that were offered; all unless told. */
  readonly limit?: number;
  readonly table: TableShape;
  /** Addresses. */
  readonly sites: readonly string[];
  /** Longest silence of a site, in ms. */
  readonly timeoutMs?: number;
};

const EXAMPLES_MAX = 5;
const TIMEOUT_MS = 60_000;

type Json = Readonly<Record<string, unknown>>;

/** A row that should be there. `seenBy` is the number of the last site that showed it. */
type Expected = { readonly line: string; readonly acked: boolean; seenBy: number };

/** Every row that was offered. Most rows of a site are letter for letter the source's: those are found without parsing. */
type Offered = { readonly byKey: Map<string, Expected>; readonly byLine: Map<string, Expected> };

/**
 * Reads the source once and scans the table at each site once, one site after the other.
 * Memory: the source's rows, about 400 bytes each.
 * @throws {Fault} `unavailable`, `unknown`: a site's scan did not come to its end; then nothing is said about it
 */
export async function verifyLedger(options: VerifyOptions): Promise<LedgerVerdict> {
  const rows = new Rows(options.table);
  const expected = await expectedRows(options, rows);
  const sites: SiteVerdict[] = [];
  for (const [i, url] of options.sites.entries()) {
    await using db = await connect([url], {
      timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
      idleMs: options.timeoutMs ?? TIMEOUT_MS,
    });
    sites.push(await verifySite(db, url, i + 1, options, rows, expected));
  }
  const sum = (field: 'missing' | 'wrong' | 'extra' | 'unacked'): number =>
    sites.reduce((n, site) => n + site[field], 0);
  let acked = 0;
  for (const row of expected.byKey.values()) if (row.acked) acked++;
  return {
    checked: acked * sites.length,
    missing: sum('missing'),
    wrong: sum('wrong'),
    extra: sum('extra'),
    unacked: sum('unacked'),
    sites,
  };
}

async function expectedRows(options: VerifyOptions, rows: Rows): Promise<Offered> {
  const { ledger, source, limit } = options;
  const byKey = new Map<string, Expected>();
  const range = { batchRows: ledger.head.batchRows, ...(limit === undefined ? {} : { rowLimit: limit }) };
  for await (const { batch, firstRow, lines } of sourceBatches(source, range)) {
    const entry = ledger.entries.get(batch);
    const rejected = new Set(entry?.rejected ?? []);
    lines.forEach((line, i) => {
      if (rejected.has(firstRow + i)) return;
      byKey.set(rows.keyOf(JSON.parse(line) as Json), { line, acked: isAcked(entry, firstRow + i), seenBy: 0 });
    });
  }
  const byLine = new Map<string, Expected>();
  for (const row of byKey.values()) byLine.set(row.line, row);
  return { byKey, byLine };
}

function isAcked(entry: LedgerEntry | undefined, row: number): boolean {
  return entry !== undefined && row >= entry.firstRow && row <= entry.lastRow;
}

async function verifySite(
  db: Database,
  url: string,
  number: number,
  options: VerifyOptions,
  rows: Rows,
  expected: Offered,
): Promise<SiteVerdict> {
  const examples: string[] = [];
  const note = (what: string): unknown => examples.length < EXAMPLES_MAX && examples.push(what);
  const found = { rows: 0, missing: 0, wrong: 0, extra: 0, unacked: 0 };
  using reply = await db.openScan(splitTableName(options.ledger.head.table), '{}', { at: url });
  const what = `scan at ${url}`;
  for await (const lines of scanLines(reply, what, db.idleMs)) {
    found.rows += lines.length;
    for (const line of lines) {
      const same = expected.byLine.get(line);
      const json = same === undefined ? parseLine(line, what) : null;
      const row = json === null ? same : expected.byKey.get(rows.keyOf(json));
      if (row === undefined) {
        found.extra++;
        note(`from nowhere: ${line}`);
        continue;
      }
      row.seenBy = number;
      if (!row.acked) found.unacked++;
      if (json === null || rows.holds(JSON.parse(row.line) as Json, json)) continue;
      found.wrong++;
      note(`wrong: ${line}, expected ${row.line}`);
    }
  }
  for (const row of expected.byKey.values()) {
    if (!row.acked || row.seenBy === number) continue;
    found.missing++;
    note(`missing: ${row.line}`);
  }
  return { site: url, ...found, examples };
}

/** Compares rows by value, whatever text stands for a moment, a long or a decimal. */
class Rows {
  readonly #types: ReadonlyMap<string, ColumnType>;
  readonly #key: readonly string[];

  constructor(table: TableShape) {
    this.#types = new Map(Object.entries(table.columns).map(([name, type]) => [name, parseColumnType(type)]));
    this.#key = [table.partitionKey, ...(table.sortKey ?? [])];
  }

  keyOf(row: Json): string {
    let key = '';
    for (const column of this.#key) key += `${this.#canonical(column, own(row, column))}\0`;
    return key;
  }

  /** True when `found` has every cell of `wanted`, and none that `wanted` deletes. */
  holds(wanted: Json, found: Json): boolean {
    for (const column in wanted) {
      const want = wanted[column] ?? null;
      const got = own(found, column) ?? null;
      if (want !== got && this.#canonical(column, want) !== this.#canonical(column, got)) return false;
    }
    return true;
  }

  #canonical(column: string, json: unknown): string {
    if (json === null || json === undefined) return 'null';
    if (typeof json === 'number' || typeof json === 'boolean') return String(json);
    const type = this.#types.get(column);
    const value = type === undefined || type.name === 'string' ? undefined : valueFromJson(type, json);
    if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
    return value === undefined ? (typeof json === 'string' ? json : JSON.stringify(json)) : String(value);
  }
}
