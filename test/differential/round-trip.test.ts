/** Random tables of every type go out in every form, and come back, and into DuckDB, as they were. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ColumnType, Value } from '@tidemark/model/column-type';
import { cellToText } from '@tidemark/model/text/cell-value';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Duck, sqlType } from './duck.ts';
import { Exported } from './exported.ts';

const folder = mkdtempSync(join(tmpdir(), 'tidemark-round-trip-'));
let duck: Duck;
beforeAll(async () => {
  duck = await Duck.open();
});
afterAll(() => {
  duck[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

const sorted = (rows: readonly (readonly (string | null)[])[]): string[] =>
  rows.map((row) => JSON.stringify(row)).sort();

describe.each(Array.from({ length: 12 }, (_, i) => i + 1))('the table of seed %i', (seed) => {
  it('loads from its own export as it was, whatever the form', async () => {
    const exported = await Exported.make(seed, folder);
    const rows = await exported.rows();
    expect(await exported.arrowRows()).toEqual(rows);
    for (const form of ['parquet', 'csv', 'ndjson'] as const) expect(await exported.loaded(form), form).toEqual(rows);
  });

  it('is the same to DuckDB as Parquet, CSV and NDJSON', async () => {
    const exported = await Exported.make(seed, folder);
    const rows = sorted(await exported.rows());
    const { columns } = exported;
    // Moments are told apart from the zone that DuckDB would print them in.
    const selected = columns.map(({ name, type }) => {
      const quoted = `"${name.replaceAll('"', '""')}"`;
      return type.name === 'timestamp' ? `make_timestamp(epoch_us(${quoted}))` : quoted;
    });
    const asCells = (answer: (Value | null)[][]): string[] =>
      sorted(answer.map((row) => row.map((value, i) => (value === null ? null : cellToText(columns[i]!.type, value)))));
    const parquet = await duck.ask(`select ${selected.join(', ')} from '${exported.path('parquet')}'`);
    const described = await duck.ask(`describe select * from '${exported.path('parquet')}'`);
    expect(described.map(([, type]) => type)).toEqual(
      columns.map(({ type }) => (type.name === 'timestamp' ? 'TIMESTAMP WITH TIME ZONE' : sqlType(type))),
    );
    expect(asCells(parquet)).toEqual(rows);
    const fields = columns.map(({ name, type }) => `'${name.replaceAll("'", "''")}': '${jsonType(type)}'`).join(', ');
    const fromJson = columns.map(({ type }, i) =>
      type.name === 'bytes' ? `from_base64(${selected[i]}."$bytes")` : selected[i],
    );
    const ndjson = await duck.ask(
      `select ${fromJson.join(', ')} from read_json('${exported.path('ndjson')}', format = 'newline_delimited', columns = {${fields}})`,
    );
    expect(asCells(ndjson)).toEqual(rows);
    const texts = columns.map((_, i) => `'c${i}': 'VARCHAR'`).join(', ');
    const csv = await duck.ask(
      `from read_csv('${exported.path('csv')}', header = true, columns = {${texts}}, delim = ',', quote = '"', escape = '"', new_line = '\\n', allow_quoted_nulls = false, max_line_size = 100000, auto_detect = false)`,
    );
    // A field of CSV has no other bytes than base64's usual letters.
    const asInCsv = (await exported.rows()).map((row) =>
      row.map((text, i) => (text !== null && columns[i]!.type.name === 'bytes' ? usualBase64(text) : text)),
    );
    expect(sorted(csv as (string | null)[][])).toEqual(sorted(asInCsv));
  });
});

/** How DuckDB is told what a field of NDJSON is. */
function jsonType(type: ColumnType): string {
  if (type.name === 'bytes') return 'STRUCT("$bytes" VARCHAR)';
  return type.name === 'timestamp' ? 'TIMESTAMPTZ' : sqlType(type);
}

function usualBase64(text: string): string {
  return Buffer.from(text, 'base64url').toString('base64');
}
