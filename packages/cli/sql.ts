/** `tidemark sql QUERY`: whole SQL over tables, by DuckDB, which reads them as Parquet files made for the query. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Database } from '@tidemark/client';
import { Fault } from '@tidemark/world/fault';
import { arrowBatches } from './arrow-scan.ts';
import { DuckDb } from './duckdb.ts';
import { EXIT } from './exit-code.ts';
import { command, oneOf } from './invocation.ts';
import { readKeyspace } from './keyspace-of.ts';
import { writeParquet } from './parquet-export.ts';
import { addReadFlags, type ReadFlags, readOptionsOf } from './read-flags.ts';
import { PRINTERS, TEXT_FORMS, type TextForm } from './scan-print.ts';
import { type SqlTable, tablesIn } from './sql-tables.ts';

type Flags = ReadFlags & { readonly output?: TextForm };

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
      const { rows, ms } = await duckdb.ask(query!);
      const printer = PRINTERS[flags.output ?? (flags.json === true ? 'json' : 'table')](output);
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
    const tables = stored.keyspace.tables.map(({ name }) => name);
    known.push(...named.filter((table) => table.keyspace === keyspace && tables.includes(table.name)));
  }
  if (known.length > 0 || named.length === 0) return known;
  const got = named.map(({ keyspace, name }) => `${keyspace}.${name}`).join(', ');
  throw new Fault('invalid', `the query names ${got}, and no site has such a table`, { got, status: 404 });
}
