/**
 * One table's life by chance: writes, deletes, changed schemas, flushes, compactions, restarts; after each step queries, of
 * which DuckDB, over the same rows, has to say the same.
 */

import { RowBatch } from '@tidemark/columnar/row-batch';
import { type ColumnType, physicalOf, type Value } from '@tidemark/model/column-type';
import { parseQuery, planQuery } from '@tidemark/model/query';
import { type Column, cellColumns, keyColumns } from '@tidemark/model/table';
import { cellToJson, valueFromJson } from '@tidemark/model/text/cell-value';
import { parseExactJson } from '@tidemark/model/text/exact-json';
import { integerBetween, type Random, SeededRandom } from '@tidemark/platform/random';
import { SimDisk } from '@tidemark/platform/sim/sim-disk';
import { decodeMutate } from '@tidemark/record/mutate';
import { Partition } from '@tidemark/store/partition';
import { Scan } from '@tidemark/store/query/scan';
import { slicesOf } from '@tidemark/writer/ingress/slicing';
import type { Duck } from './duck.ts';
import { type Paired, randomQuery } from './random-query.ts';
import { RandomTable } from './random-table.ts';
import { chance, pick, randomValue } from './random-values.ts';

const STEPS = 10;
const QUERIES_A_STEP = 5;

export class Sequence {
  readonly #random: Random;
  readonly #table: RandomTable;
  readonly #duck: Duck;
  readonly #blockRows: number;
  #disk = new SimDisk();
  #partitions: Partition[] = [];
  #seqs: number[] = [];
  #clockMs = 1_700_000_000_000;
  readonly #said: string[] = [];

  constructor(seed: number, duck: Duck) {
    this.#random = new SeededRandom(seed);
    this.#table = new RandomTable(this.#random);
    this.#duck = duck;
    this.#blockRows = pick(this.#random, [4, 64, 65_536]);
  }

  /** @returns how many queries were compared. @throws {Error} a difference: with the steps, the query and both answers */
  async run(): Promise<number> {
    await this.#open();
    this.#seqs = this.#partitions.map(() => 0);
    let compared = 0;
    for (let step = 0; step < STEPS; step++) {
      await this.#step();
      const columns = [...keyColumns(this.#table.table), ...cellColumns(this.#table.table)];
      await this.#duck.fill(columns, this.#table.rows.values());
      for (let i = 0; i < QUERIES_A_STEP; i++, compared++) await this.#compare();
    }
    await this.#close();
    return compared;
  }

  async #step(): Promise<void> {
    const draw = this.#random.fraction();
    if (this.#table.rows.size === 0 || draw < 0.45)
      this.#write(this.#table.write(integerBetween(this.#random, 1, 300)));
    else if (draw < 0.52) this.#write(this.#table.writeDynamic());
    else if (draw < 0.67) await this.#each('flush', (partition) => partition.flush());
    else if (draw < 0.77) await this.#each('compact', (partition) => partition.compact());
    else if (draw < 0.87) this.#evolve();
    else await this.#restart();
  }

  /** As a writer cuts a batch, and as an applier takes it. */
  #write(batch: RowBatch | null): void {
    if (batch === null) return;
    this.#said.push(`write ${batch.rowCount}`);
    this.#teach();
    const { table } = this.#table;
    const head = { table, schemaVersion: this.#table.keyspace.version, requestId: '' };
    for (const { partition, body } of slicesOf(head, batch, this.#partitions.length)) {
      const own = new RowBatch();
      decodeMutate(body, table, own);
      const stamp = { ms: this.#clockMs++, counter: 0, site: 1, writer: 1 };
      this.#partitions[partition]!.apply(own, stamp, 'paris', { epoch: 1, seq: ++this.#seqs[partition]! });
    }
  }

  async #each(what: string, act: (partition: Partition) => Promise<void>): Promise<void> {
    this.#said.push(what);
    for (const partition of this.#partitions) if (chance(this.#random, 0.8)) await act(partition);
  }

  #evolve(): void {
    this.#table.evolve();
    this.#said.push(`version ${this.#table.keyspace.version}`);
    this.#teach();
  }

  #teach(): void {
    const { table, keyspace } = this.#table;
    for (const partition of this.#partitions) partition.setTable(table, keyspace.version);
  }

  async #restart(): Promise<void> {
    this.#said.push('restart');
    for (const partition of this.#partitions) await partition.flush();
    await this.#close();
    await this.#open();
  }

  async #open(): Promise<void> {
    const { partitions } = this.#table.keyspace;
    const options = { blockRows: this.#blockRows, compaction: false };
    for (let i = 0; i < partitions; i++) this.#partitions.push(await Partition.open(this.#disk, `ks/t/${i}`, options));
    this.#teach();
  }

  async #close(): Promise<void> {
    for (const partition of this.#partitions) await partition.close();
    this.#partitions = [];
  }

  async #compare(): Promise<void> {
    const paired = randomQuery(this.#random, this.#table.table, (column) => this.#likely(column));
    const ours = await this.#ours(paired);
    const theirs = (await this.#duck.ask(paired.sql)).map((row) => textOf(row, paired.types));
    if (!paired.isOrdered) {
      ours.sort();
      theirs.sort();
    }
    if (ours.length === theirs.length && ours.every((row, i) => sameRow(row, theirs[i]!))) return;
    const at = ours.findIndex((row, i) => theirs[i] === undefined || !sameRow(row, theirs[i]!));
    throw new Error(
      [
        `steps: ${this.#said.join(', ')}`,
        `query: ${JSON.stringify(paired.query)}`,
        `sql: ${paired.sql}`,
        `${ours.length} and ${theirs.length} rows; row ${at}:`,
        `ours: ${JSON.stringify(ours[at] ?? null)}`,
        `DuckDB's: ${JSON.stringify(theirs[at] ?? null)}`,
      ].join('\n'),
    );
  }

  /** The answer as a site sends it, read again. */
  async #ours({ query, types }: Paired): Promise<string[][]> {
    const plan = planQuery(this.#table.table, parseQuery(JSON.parse(JSON.stringify(query))));
    const scan = new Scan(this.#partitions, plan);
    const rows: string[][] = [];
    for await (const block of scan.rows()) {
      for (const row of block) {
        const values = scan.columns.map(({ name, type }, i) => {
          const value = row[name] ?? null;
          if (value === null) return null;
          const json = parseExactJson(JSON.stringify(cellToJson(type, value)));
          // A sum may be more than its column holds.
          return valueFromJson(types[i]!, json) ?? value;
        });
        rows.push(textOf(values, types));
      }
    }
    return rows;
  }

  /** Mostly one that rows have. */
  #likely(column: Column): Value {
    if (this.#table.rows.size > 0 && chance(this.#random, 0.6)) {
      const value = pick(this.#random, [...this.#table.rows.values()]).get(column.id);
      if (value !== undefined) return value;
    }
    return randomValue(this.#random, column.type);
  }
}

/** Each cell as text that is the same for equal cells. */
function textOf(row: readonly (Value | null)[], types: readonly ColumnType[]): string[] {
  return row.map((cell, i) => {
    if (cell === null) return 'null';
    const kind = physicalOf(types[i]!);
    if (kind === 'f64') return `f64 ${Number(cell) + 0}`;
    if (typeof cell === 'object') return Buffer.from(cell as Uint8Array).toString('hex');
    return `${typeof cell === 'string' ? 'text ' : ''}${cell}`;
  });
}

/** Doubles may differ in their last digits, as sums are rounded by the order of adding. */
function sameRow(a: readonly string[], b: readonly string[]): boolean {
  return a.every((cell, i) => cell === b[i] || (cell.startsWith('f64 ') && isNear(cell.slice(4), b[i]!.slice(4))));
}

function isNear(a: string, b: string): boolean {
  const [one, other] = [Number(a), Number(b)];
  return Math.abs(one - other) <= 1e-9 * Math.max(1, Math.abs(one), Math.abs(other));
}
