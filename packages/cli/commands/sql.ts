/** `tidemark sql QUERY`: whole SQL over tables, by DuckDB, which reads them as Parquet files made for the query. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Database } from '@tidemark/client';
import { Fault } from '@tidemark/platform/fault';
import { EXIT } from '../exit-code.ts';
import { DuckDb } from '../export/duckdb.ts';
import { writeParquet } from '../export/parquet-export.ts';
import { type SqlTable, tablesIn } from '../export/sql-tables.ts';
import { command, oneOf } from '../invocation.ts';
import { columnTypes, readKeyspace } from '../keyspace-of.ts';
import { arrowBatches } from '../output/arrow-scan.ts';
import { PRINTERS, TEXT_FORMS, type TextForm } from '../output/scan-print.ts';
import { addReadFlags, type ReadFlags, readOptionsOf } from '../read-flags.ts';

type Flags = ReadFlags & { readonly output?: TextForm };

/** Makes a Parquet file of each table that the query names, runs the query and deletes the files. */
export const sql = command<Flags>(
  'sql <query>',
  'SQL over tables named keyspace.table, run by DuckDB',
  async (invocation, [query]) => {
    const { flags, output } = invocation;
    using duckdb = await DuckDb.open();
    await using db = await invocation.open();
    const folder = await mkdtemp(join(tmpdir(), 'tidemark-sql-'));
    try {
      for (const [number, table] of (await knownTables(db, tablesIn(query!))).entries()) {
        const path = join(folder, `${number}.parquet`);
        const batches = arrowBatches(db, table, '{}', readOptionsOf(flags));
        const { rows } = await writeParquet(path, batches);
        output.progress(`${rows} rows of ${table.keyspace}.${table.name}`, null);
        await duckdb.nameFile(table, path);
      }
      const { columns, rows, ms } = await duckdb.ask(query!);
      const printer = PRINTERS[flags.output ?? (flags.json === true ? 'json' : 'table')](output, columns);
      if (rows.length > 0) printer.rows(rows);
      printer.end({ rows: rows.length, scanned: rows.length, ms, asOf: null, cursor: null });
      return EXIT.done;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
).option('-o, --output <form>', TEXT_FORMS.join(', '), oneOf(...TEXT_FORMS));
addReadFlags(sql);

/** Those of the names that sites have; the others may be DuckDB's own. @throws {Fault} `invalid`: none was found. */
async function knownTables(db: Database, named: readonly SqlTable[]): Promise<SqlTable[]> {
  const known: SqlTable[] = [];
  for (const keyspace of new Set(named.map((table) => table.keyspace))) {
    const stored = await readKeyspace(db, keyspace);
    if (stored === null) continue;
    for (const table of named.filter((one) => one.keyspace === keyspace)) {
      const found = stored.keyspace.tables.find(({ name }) => name === table.name);
      if (found === undefined) continue;
      refuseTwins(`${keyspace}.${found.name}`, [...columnTypes(found).keys()]);
      known.push(table);
    }
  }
  if (known.length > 0 || named.length === 0) return known;
  const got = named.map(({ keyspace, name }) => `${keyspace}.${name}`).join(', ');
  throw new Fault('notFound', `the query names ${got}, and no site has such a table`, { got });
}

/** To DuckDB two names are one that differ by the case of A to Z alone: it would answer with one column for both. */
export function refuseTwins(table: string, columns: readonly string[]): void {
  const seen = new Map<string, string>();
  for (const name of columns) {
    const plain = name.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
    const twin = seen.get(plain);
    if (twin !== undefined) {
      const message = `table ${table} has the columns "${twin}" and "${name}", which are one to SQL: scan tells them apart`;
      throw new Fault('invalid', message, { table, column: name, got: name, expected: `another name than ${twin}` });
    }
    seen.set(plain, name);
  }
}
