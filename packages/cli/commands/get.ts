/** `tidemark get TABLE key…`: reads one row, at one site or at all of them. */

import { isDeepStrictEqual } from 'node:util';
import type { Database } from '@tidemark/client';
import { isMissingRow } from '@tidemark/client/missing-row';
import { own } from '@tidemark/model/own';
import { keySegment } from '@tidemark/model/text/key-path';
import { EXIT } from '../exit-code.ts';
import { command } from '../invocation.ts';
import { type NamedTable, readTable } from '../keyspace-of.ts';
import { textTable } from '../output/output.ts';
import { keyFromWords } from '../output/row-words.ts';
import { addReadFlags, type ReadFlags } from '../read-flags.ts';

type Flags = ReadFlags & { readonly allSites?: boolean };

/** What one site has of the row. */
type Found = {
  readonly site: string | null;
  readonly row: Readonly<Record<string, unknown>> | null;
  /** Everything with a smaller stamp than this is in the answer. */
  readonly asOf: string | null;
  readonly epoch: string | null;
};

/** Exit code 1 when there is no such row; with `--all-sites` 5 when sites differ. */
export const get = command<Flags>('get <table> <key...>', 'read one row', async (invocation, [name, ...words]) => {
  const { flags, output } = invocation;
  await using db = await invocation.open();
  const named = await readTable(db, name!);
  const path = rowPath(named, words);
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
}).option('--all-sites', 'read at every site and compare; exit 5 when they differ');
addReadFlags(get);

function rowPath({ keyspace, name, table }: NamedTable, words: readonly string[]): string {
  keyFromWords(table, words);
  return `/v1/${[keyspace, name].map(encodeURIComponent).join('/')}/rows/${words.map(keySegment).join('/')}`;
}

async function readRow(db: Database, path: string, flags: Flags, at: string | undefined): Promise<Found> {
  const from = at !== undefined ? { site: at } : flags.read === 'primary' ? { primaryOf: path.split('/')[2]! } : 'any';
  const headers = flags.atLeast === undefined ? {} : { 'tidemark-at-least': flags.atLeast };
  const query = flags.read === 'primary' ? '?read=primary' : '';
  try {
    using reply = await db.ask(from, { method: 'GET', path: path + query, headers });
    const row = (await reply.response.json()) as Readonly<Record<string, unknown>>;
    const header = (name: string): string | null => reply.response.headers.get(`tidemark-${name}`);
    return { site: header('site'), row, asOf: header('as-of'), epoch: header('epoch') };
  } catch (error) {
    if (!isMissingRow(error)) throw error;
    return { site: at ?? null, row: null, asOf: null, epoch: null };
  }
}

function rowsInWords(found: readonly Found[]): string {
  const columns = [...new Set(found.flatMap(({ row }) => Object.keys(row ?? {})))];
  return textTable(
    ['site', ...columns],
    found.map(({ site, row }) => [site, ...columns.map((column) => own(row, column) ?? null)]),
  );
}
