/** A random table in files of every form, made by the code that `export` runs, and read by the code that `load` runs. */

import { join } from 'node:path';
import { writeParquet } from '@tidemark/cli/export/parquet-export';
import { writeBytes, writeText } from '@tidemark/cli/export/text-export';
import { ParquetFile, parquetSource } from '@tidemark/cli/load/parquet';
import type { RowSource } from '@tidemark/cli/load/row-source';
import { csvSource, ndjsonSource, textOf } from '@tidemark/cli/load/text-lines';
import type { ScanEnd } from '@tidemark/client/ndjson';
import { readArrow } from '@tidemark/columnar/arrow-read';
import { ARROW_END, ArrowWriter } from '@tidemark/columnar/arrow-write';
import { addJsonRow } from '@tidemark/columnar/json-rows';
import { encodeKey } from '@tidemark/columnar/key';
import { RowBatch } from '@tidemark/columnar/row-batch';
import type { Value } from '@tidemark/model/column-type';
import { planQuery } from '@tidemark/model/query';
import { type Column, cellColumns, keyColumns, type Table } from '@tidemark/model/table';
import { cellToJson, cellToText } from '@tidemark/model/text/cell-value';
import { SeededRandom } from '@tidemark/platform/random';
import { SimDisk } from '@tidemark/platform/sim/sim-disk';
import { Partition } from '@tidemark/store/partition';
import { Scan } from '@tidemark/store/query/scan';
import { RandomTable } from './random-table.ts';

export const FORMS = ['parquet', 'arrow', 'csv', 'ndjson'] as const;
export type Form = (typeof FORMS)[number];

/** Rows a table has before it is exported. */
const WRITES = 400;
const STAMP = { ms: 1_700_000_000_000, counter: 0, site: 1, writer: 1 };

export class Exported {
  readonly table: Table;
  /** In the order of the files. */
  readonly columns: readonly Column[];
  readonly #partition: Partition;
  readonly #base: string;

  private constructor(table: Table, partition: Partition, base: string) {
    this.table = table;
    this.columns = [...keyColumns(table), ...cellColumns(table)];
    this.#partition = partition;
    this.#base = base;
  }

  static async make(seed: number, folder: string): Promise<Exported> {
    const random = new RandomTable(new SeededRandom(seed));
    const batch = random.write(WRITES);
    const partition = await filled(random.table, batch);
    const exported = new Exported(random.table, partition, join(folder, `table-${seed}`));
    await writeParquet(exported.path('parquet'), readArrow(exported.#arrow(), 'a test'));
    await writeBytes(exported.path('arrow'), exported.#arrow());
    const names = exported.columns.map(({ name }) => name);
    for (const form of ['csv', 'ndjson'] as const) {
      await writeText(exported.path(form), form, exported.#json(), names);
    }
    return exported;
  }

  path(form: Form): string {
    return `${this.#base}.${form}`;
  }

  /** Each row's cells as text in the columns' order, in the order of keys; what every form has to hold. */
  rows(): Promise<(string | null)[][]> {
    return rowsOf(this.table, this.#partition);
  }

  /** The same of a table into which a file was loaded. */
  async loaded(form: Exclude<Form, 'arrow'>): Promise<(string | null)[][]> {
    const types = new Map(this.columns.map(({ name, type }) => [name, type]));
    const text = (): AsyncIterable<string> => textOf(this.path(form));
    const source: RowSource =
      form === 'csv'
        ? csvSource('f', text, types)
        : form === 'ndjson'
          ? ndjsonSource('f', text)
          : parquetSource('f', await ParquetFile.open(this.path(form)), types);
    const batch = new RowBatch();
    for await (const lines of source.lines(0)) {
      for (const line of lines) addJsonRow(this.table, JSON.parse(line), batch);
    }
    return rowsOf(this.table, await filled(this.table, batch));
  }

  /** What the stream of Arrow holds, in the order of keys. */
  async arrowRows(): Promise<(string | null)[][]> {
    const rows: { readonly key: Buffer; readonly cells: (string | null)[] }[] = [];
    for await (const { rowCount, columns } of readArrow(this.#arrow(), 'a test')) {
      for (let row = 0; row < rowCount; row++) {
        const values = this.columns.map(({ name, type }) => {
          const cell = columns.get(name)!.values[row] ?? null;
          return type.name === 'timestamp' && cell !== null ? Number(cell) : cell;
        });
        const key = encodeKey(this.table, values.slice(0, this.table.key.length) as Value[]);
        rows.push({ key, cells: values.map((value, i) => textOfCell(this.columns[i]!, value)) });
      }
    }
    return rows.sort((a, b) => Buffer.compare(a.key, b.key)).map(({ cells }) => cells);
  }

  async *#arrow(): AsyncGenerator<Uint8Array> {
    const scan = new Scan([this.#partition], planQuery(this.table, {}));
    const writer = new ArrowWriter(scan.columns);
    yield writer.head;
    for await (const block of scan.rows()) yield writer.batch(block);
    yield ARROW_END;
  }

  async *#json(): AsyncGenerator<Record<string, unknown>[], ScanEnd> {
    const scan = new Scan([this.#partition], planQuery(this.table, {}));
    for await (const block of scan.rows()) {
      const rows = block.map((row) =>
        Object.fromEntries(
          scan.columns.map(({ name, type }) => {
            const value = row[name] ?? null;
            return [name, value === null ? null : cellToJson(type, value)];
          }),
        ),
      );
      yield JSON.parse(JSON.stringify(rows)) as Record<string, unknown>[];
    }
    return { ...scan.end!, ms: 0, asOf: null };
  }
}

async function filled(table: Table, batch: RowBatch): Promise<Partition> {
  const partition = await Partition.open(new SimDisk(), 'ks/t/0', { compaction: false });
  partition.setTable(table, 1);
  batch.seal();
  partition.apply(batch, STAMP, 'paris', { epoch: 1, seq: 1 });
  return partition;
}

async function rowsOf(table: Table, partition: Partition): Promise<(string | null)[][]> {
  const orderBy = keyColumns(table).map(({ name }): [string, 'asc'] => [name, 'asc']);
  const scan = new Scan([partition], planQuery(table, { orderBy }));
  const columns = [...keyColumns(table), ...cellColumns(table)];
  const rows: (string | null)[][] = [];
  for await (const block of scan.rows()) {
    for (const row of block) rows.push(columns.map((column) => textOfCell(column, row[column.name] ?? null)));
  }
  return rows;
}

/** A cell's text, in which no two different values are the same. */
export function textOfCell({ type }: Column, value: Value | null): string | null {
  return value === null ? null : cellToText(type, value);
}
