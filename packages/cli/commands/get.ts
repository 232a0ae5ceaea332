/** `tidemark get TABLE key…`: reads one row, at one site or at all of them; or, of a shorter key, a page of its rows. */

import { isDeepStrictEqual } from 'node:util';
import type { Database } from '@tidemark/client';
import { isMissingRow } from '@tidemark/client/missing-row';
import { own } from '@tidemark/model/own';
import { keySegment } from '@tidemark/model/text/key-path';
import { Fault } from '@tidemark/platform/fault';
import { EXIT } from '../exit-code.ts';
import { command, oneOf, wholeNumber } from '../invocation.ts';
import { type NamedTable, readTable } from '../keyspace-of.ts';
import { textTable } from '../output/output.ts';
import { keyFromWords } from '../output/row-words.ts';
import { addReadFlags, type ReadFlags } from '../read-flags.ts';

/** Flags of a shorter key, as the site takes them. */
const RANGE_FLAGS = ['from', 'after', 'to', 'until', 'order', 'limit', 'cursor', 'select'] as const;

type Flags = ReadFlags & { readonly allSites?: boolean } & { readonly [flag in (typeof RANGE_FLAGS)[number]]?: string };

/** A page of the rows of a shorter key. */
type Page = { readonly rows: readonly Readonly<Record<string, unknown>>[]; readonly cursor: string | null };

/** What one site has of the row. */
type Found = {
  readonly site: string | null;
  readonly row: Readonly<Record<string, unknown>> | null;
  /** Everything with a smaller stamp than this is in the answer. */
  readonly asOf: string | null;
  readonly epoch: string | null;
};

/** Exit code 1 when there is no such row; with `--all-sites` 5 when sites differ. */
export const get = command<Flags>(
  'get <table> <key...>',
  'read one row, or the rows of a shorter key',
  async (invocation, [name, ...words]) => {
    const { flags, output } = invocation;
    await using db = await invocation.open();
    const named = await readTable(db, name!);
    const path = rowPath(named, words, flags);
    if (words.length < named.table.key.length) {
      if (flags.allSites === true) throw allSitesOfRange(named, words.length);
      using reply = await db.ask(fromOf(path, flags, undefined), {
        method: 'GET',
        path: withRead(path, flags),
        headers: headersOf(flags),
      });
      const page = (await reply.response.json()) as Page;
      const more = page.cursor === null ? '' : `\nthere are more: --cursor ${page.cursor}`;
      output.result(page, page.rows.length === 0 ? `no row ${words.join(' ')}` : tableOf(page.rows) + more);
      return EXIT.done;
    }
    if (flags.allSites === true) {
      const sites = await db.siteUrls();
      const found = await Promise.all(sites.map((at) => readRow(db, path, flags, at)));
      const same = found.every(({ row }) => isDeepStrictEqual(row, found[0]!.row));
      output.result({ sites: found, equal: same }, rowsInWords(found));
      return !same ? EXIT.different : found[0]?.row === null ? EXIT.failed : EXIT.done;
    }
    const found = await readRow(db, path, flags, undefined);
    output.result(found, found.row === null ? `no row ${words.join(' ')}` : rowsInWords([found]));
    return found.row === null ? EXIT.failed : EXIT.done;
  },
).option('--all-sites', 'read at every site and compare; exit 5 when they differ');
get
  .option('--from <value>', 'of a shorter key: rows whose next key part is this or later')
  .option('--after <value>', 'later than this')
  .option('--to <value>', 'this or earlier')
  .option('--until <value>', 'earlier than this')
  .option('--order <order>', 'asc, or desc for the last first', oneOf('asc', 'desc'))
  .option('--limit <rows>', 'rows at most; 100 unless told', (text) => String(wholeNumber(1)(text)))
  .option('--cursor <cursor>', 'go on where a page of the same rows ended')
  .option('--select <columns>', 'columns with commas between');
addReadFlags(get);

function rowPath({ keyspace, name, table }: NamedTable, words: readonly string[], flags: Flags): string {
  if (words.length >= table.key.length) keyFromWords(table, words);
  const query = new URLSearchParams();
  for (const flag of RANGE_FLAGS) if (flags[flag] !== undefined) query.set(flag, flags[flag]);
  const path = `/v1/${[keyspace, name].map(encodeURIComponent).join('/')}/rows/${words.map(keySegment).join('/')}`;
  return query.size === 0 ? path : `${path}?${query}`;
}

function allSitesOfRange({ table }: NamedTable, given: number): Fault {
  const message = `table ${table.name}: --all-sites compares one row: got ${given} key parts, expected ${table.key.length}`;
  return new Fault('invalid', message, { table: table.name, got: given, expected: table.key.length });
}

function fromOf(path: string, { read }: Flags, at: string | undefined): Parameters<Database['ask']>[0] {
  return at !== undefined ? { site: at } : read === 'primary' ? { primaryOf: path.split('/')[2]! } : 'any';
}

function withRead(path: string, { read }: Flags): string {
  return read === 'primary' ? `${path}${path.includes('?') ? '&' : '?'}read=primary` : path;
}

function headersOf({ atLeast }: Flags): Readonly<Record<string, string>> {
  return atLeast === undefined ? {} : { 'tidemark-at-least': atLeast };
}

async function readRow(db: Database, path: string, flags: Flags, at: string | undefined): Promise<Found> {
  try {
    const request = { method: 'GET', path: withRead(path, flags), headers: headersOf(flags) } as const;
    using reply = await db.ask(fromOf(path, flags, at), request);
    const row = (await reply.response.json()) as Readonly<Record<string, unknown>>;
    const header = (name: string): string | null => reply.response.headers.get(`tidemark-${name}`);
    return { site: header('site'), row, asOf: header('as-of'), epoch: header('epoch') };
  } catch (error) {
    if (!isMissingRow(error)) throw error;
    return { site: at ?? null, row: null, asOf: null, epoch: null };
  }
}

function tableOf(rows: Page['rows']): string {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return textTable(
    columns,
    rows.map((row) => columns.map((column) => own(row, column) ?? null)),
  );
}

function rowsInWords(found: readonly Found[]): string {
  const columns = [...new Set(found.flatMap(({ row }) => Object.keys(row ?? {})))];
  return textTable(
    ['site', ...columns],
    found.map(({ site, row }) => [site, ...columns.map((column) => own(row, column) ?? null)]),
  );
}
