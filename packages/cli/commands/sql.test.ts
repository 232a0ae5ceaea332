/** SQL over tables: which words of a query are tables, and what is said where DuckDB is not installed. */

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { DuckDb } from '../export/duckdb.ts';
import { tablesIn } from '../export/sql-tables.ts';
import { refuseTwins } from './sql.ts';

const PROGRAM = fileURLToPath(new URL('../tidemark.js', import.meta.url));

describe('tables of a query', () => {
  it.each([
    ['select * from travel.flights', ['travel.flights']],
    [
      'select f.delay from travel.flights f join "my space"."a""b" using (k)',
      ['f.delay', 'travel.flights', 'my space.a"b'],
    ],
    ["select 'travel.flights', 'it''s x.y' -- from a.b\n/* c.d */ from e . f", ['e.f']],
    ['select 1.5, count(*) from t', []],
    ['from travel.flights, travel.flights', ['travel.flights']],
    ['select travel.flights.origin from travel.flights', ['travel.flights']],
  ])('%s', (query, names) => {
    expect(tablesIn(query).map(({ keyspace, name }) => `${keyspace}.${name}`)).toEqual(names);
  });
});

describe('DuckDB', () => {
  it('answers with numbers where JSON has them, and with texts where it would round', async () => {
    using duckdb = await DuckDb.open();
    const { rows } = await duckdb.ask(
      "select 5::bigint as n, 9007199254740993::bigint as long, 1.50::decimal(9,2) as price, null as nothing, 'x' as word",
    );
    expect(rows).toEqual([{ n: 5, long: '9007199254740993', price: '1.50', nothing: null, word: 'x' }]);
  });

  it('has moments in UTC, bytes in base64 and dates as a scan has them, in lists too', async () => {
    using duckdb = await DuckDb.open();
    const { rows } = await duckdb.ask(`select '2001-01-10T18:20:00.5Z'::timestamptz as at, date '2001-01-10' as day,
      '\\x00\\xFF'::blob as photo, [timestamptz '1969-12-31 23:59:59.999999+00'] as list, 'NaN'::double as x`);
    expect(rows).toEqual([
      {
        at: '2001-01-10T18:20:00.500Z',
        day: '2001-01-10',
        photo: { $bytes: 'AP8=' },
        list: ['1969-12-31T23:59:59.999999Z'],
        x: 'NaN',
      },
    ]);
  });

  it('names its columns also when there is no row, and none of them like the end of an answer', async () => {
    using duckdb = await DuckDb.open();
    expect(await duckdb.ask('select 1 as a, 2 as "__proto__" where false')).toMatchObject({
      columns: ['a', '__proto__'],
      rows: [],
    });
    await expect(duckdb.ask('select 1 as "$end"')).rejects.toThrow('column "$end", expected a name');
  });

  it('is not asked about columns that are one to it', async () => {
    expect(() => refuseTwins('ks.t', ['k', 'Delay', 'x', 'delay'])).toThrow('"Delay" and "delay"');
    refuseTwins('ks.t', ['k', 'é', 'É']);
    using duckdb = await DuckDb.open();
    const { rows } = await duckdb.ask(`select "é" + 1 as a, "É" + 1 as b from (select 1 as "é", 2 as "É")`);
    expect(rows).toEqual([{ a: 2, b: 3 }]);
  });

  it('refuses in its own words', async () => {
    using duckdb = await DuckDb.open();
    await expect(duckdb.ask('selec 1')).rejects.toMatchObject({ kind: 'invalid', message: /syntax error at or near/ });
  });

  it('is named, and how to install it, where it is missing', async () => {
    const hook = `import { registerHooks } from 'node:module';
      registerHooks({ resolve(name, context, next) {
        if (name === '@duckdb/node-api') throw new Error('not there');
        return next(name, context);
      } });`;
    const words = ['--import', `data:text/javascript,${encodeURIComponent(hook)}`, PROGRAM, 'sql', 'select 1'];
    const { code, err } = await new Promise<{ code: unknown; err: string }>((resolve) => {
      execFile(process.execPath, words, (error, _, err) => resolve({ code: error?.code ?? 0, err }));
    });
    expect(err).toBe('tidemark: SQL needs DuckDB, which is not installed: npm install @duckdb/node-api\n');
    expect(code).toBe(2);
  });
});
