/** Files become rows: every row once, in the file's order, with the file's values. */

import { type ColumnType, parseColumnType } from '@tidemark/model/column-type';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CsvReader, type CsvRecord } from './csv.ts';
import { FLIGHTS_TABLE, flights, flightsPath } from './flights.ts';
import { Latencies } from './latencies.ts';
import { ParquetFile, parquetSource } from './parquet.ts';
import { type RowSource, sourceBatches } from './row-source.ts';
import { csvSource, ndjsonSource } from './text-lines.ts';

function types(columns: Readonly<Record<string, string>>): Map<string, ColumnType> {
  return new Map(Object.entries(columns).map(([name, type]) => [name, parseColumnType(type)]));
}

/** A text in pieces that end anywhere. */
async function* pieces(text: string, cuts: readonly number[]): AsyncGenerator<string> {
  let at = 0;
  for (const cut of [...cuts].sort((a, b) => a - b)) {
    if (cut <= at || cut >= text.length) continue;
    yield text.slice(at, cut);
    at = cut;
  }
  yield text.slice(at);
}

async function linesOf(source: RowSource, skipRows = 0): Promise<string[]> {
  const found: string[] = [];
  for await (const block of source.lines(skipRows)) found.push(...block);
  return found;
}

describe('CSV', () => {
  const field = fc.option(fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r', ' ', 'é') }), { nil: null });

  test('whatever is written by the rules is read back, in pieces of any size', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(field, { minLength: 2, maxLength: 4 }), { maxLength: 5 }),
        fc.array(fc.nat(80)),
        fc.constantFrom('\n', '\r\n'),
        (records, cuts, lineEnd) => {
          const text = records
            .map((record) => record.map((f) => (f === null ? '' : `"${f.replaceAll('"', '""')}"`)).join(','))
            .map((line) => line + lineEnd)
            .join('');
          const reader = new CsvReader('f');
          const found: CsvRecord[] = [];
          let at = 0;
          for (const cut of [...cuts.toSorted((a, b) => a - b), text.length]) {
            if (cut < at) continue;
            found.push(...reader.read(text.slice(at, cut)));
            at = Math.max(at, Math.min(cut, text.length));
          }
          const last = reader.end();
          expect(last === null ? found : [...found, last]).toEqual(records);
        },
      ),
    );
  });

  test('becomes rows by header and column types; what is no value goes on as text, for the site to refuse', async () => {
    const text = 'k,n,at,ok\r\na,5,2001-01-01 00:00:00Z,true\n"b, c",x,,\n';
    const source = csvSource(
      'f.csv',
      () => pieces(text, [3, 9]),
      types({ k: 'string', n: 'int', at: 'timestamp', ok: 'boolean' }),
    );
    expect((await linesOf(source)).map((line) => JSON.parse(line) as unknown)).toEqual([
      { k: 'a', n: 5, at: '2001-01-01T00:00:00Z', ok: true },
      { k: 'b, c', n: 'x' },
    ]);
    expect(await linesOf(source, 1)).toHaveLength(1);
  });

  test('with a column the table does not have, or a record of another width, is refused by name', async () => {
    const columns = types({ key: 'string', delay: 'int' });
    await expect(linesOf(csvSource('f.csv', () => pieces('key,dealy\n', []), columns))).rejects.toThrow(
      /f.csv: column "dealy" \(nearest: delay\) is not in the table, which has key, delay/,
    );
    await expect(linesOf(csvSource('f.csv', () => pieces('key,delay\na,1\nb\n', []), columns))).rejects.toThrow(
      /f.csv: record 3 has 1 fields, the header has 2/,
    );
    await expect(linesOf(csvSource('f.csv', () => pieces('key,delay\n"a,1\n', []), columns))).rejects.toThrow(
      /within quotes/,
    );
  });
});

test('NDJSON: every line that is not empty, in pieces of any size, from any row on', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom('{"k":"é"}', '{}', '', '  ')),
      fc.array(fc.nat(60)),
      fc.nat(8),
      async (rows, cuts, skip) => {
        const source = ndjsonSource('f', () => pieces(rows.join('\n'), cuts));
        expect(await linesOf(source, skip)).toEqual(rows.filter((row) => row.trim() !== '').slice(skip));
      },
    ),
  );
});

test('the NDJSON of a scan loads as its rows alone; one that broke off does not pass for whole', async () => {
  const scanned = '{"k":1}\n{"$end":{"rows":1}}\n';
  expect(await linesOf(ndjsonSource('f', () => pieces(scanned, [])))).toEqual(['{"k":1}']);
  const broken = '{"k":1}\n{"$error":{"kind":"corrupt"}}\n';
  await expect(linesOf(ndjsonSource('f', () => pieces(broken, [])))).rejects.toThrow(/end in an error/);
});

describe('the flights', () => {
  test('each has a key of its own, and reading from the middle gives the same rows', async () => {
    const all = await linesOf(flights({ rows: 275_000 }));
    expect(all).toHaveLength(275_000);
    expect(new Set(all.map((line) => line.slice(0, line.indexOf(',"delay"')))).size).toBe(275_000);
    // The file's first row group ends at row 272,727.
    const later: string[] = [];
    const range = { batchRows: 1_000, fromBatch: 272 };
    for await (const { lines } of sourceBatches(flights({ rows: 275_000 }), range)) later.push(...lines);
    expect(later).toEqual(all.slice(272_000));
    expect(await linesOf(flights({ from: 274_000, rows: 5 }))).toEqual(all.slice(274_000, 274_005));
  });

  test('are the rows of the file as the Parquet source reads them, and the line number', async () => {
    const file = await ParquetFile.open(flightsPath());
    const source = parquetSource('f', file, types(FLIGHTS_TABLE.columns));
    let plain: string[] = [];
    for await (const { lines } of sourceBatches(source, { batchRows: 2_000, rowLimit: 2_000 })) plain = [...lines];
    const { line: _, ...first } = JSON.parse((await linesOf(flights({ rows: 1 })))[0]!) as Record<string, unknown>;
    expect(JSON.parse(plain[0]!)).toEqual(first);
    const ours = await linesOf(flights({ rows: 2_000 }));
    ours.forEach((text, i) => {
      const { line: __, ...row } = JSON.parse(text) as Record<string, unknown>;
      expect(row).toEqual(JSON.parse(plain[i]!));
    });
  });

  test('a Parquet column that the table does not have is refused by name', async () => {
    const file = await ParquetFile.open(flightsPath());
    expect(() => parquetSource('f', file, types({ origin: 'string' }))).toThrow(/column "date" is not in the table/);
    await expect(ParquetFile.open('/nowhere.parquet')).rejects.toMatchObject({ kind: 'invalid' });
  });
});

test('a percentile is within two in a hundred of the true one', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0.01, max: 1e6, noNaN: true }), { minLength: 1 }),
      fc.double({ min: 0.01, max: 1, noNaN: true }),
      (ms, fraction) => {
        const latencies = new Latencies();
        for (const one of ms) latencies.add(one);
        const sorted = ms.toSorted((a, b) => a - b);
        const truth = sorted[Math.ceil(ms.length * fraction) - 1]!;
        const found = latencies.percentileMs(fraction)!;
        expect(Math.abs(found - truth) / truth).toBeLessThan(0.031);
      },
    ),
  );
  expect(new Latencies().percentileMs(0.5)).toBeNull();
});
