/** A table by chance, as it grows: rows in JSON through the same code as a site's, and the same rows in a plain Map. */

import { addJsonRow, type JsonRow } from '@tidemark/columnar/json-rows';
import { encodeKey } from '@tidemark/columnar/key';
import { RowBatch } from '@tidemark/columnar/row-batch';
import { NewColumns } from '@tidemark/columnar/row-writer';
import { formatColumnType, type Value } from '@tidemark/model/column-type';
import { addDynamicColumn, evolve } from '@tidemark/model/evolve';
import { formatKeyspaceFile, type KeyspaceFile } from '@tidemark/model/keyspace-file';
import { type Column, cellColumns, type Keyspace, keyColumns, type Table } from '@tidemark/model/table';
import { integerBetween, type Random } from '@tidemark/platform/random';
import { chance, pick, randomType, randomValue, spelling } from './random-values.ts';

/** Names of which no two are one to SQL. */
const NAMES = [
  'a, b',
  'constructor',
  'Ziel/Ort',
  'toString',
  'say "hi"',
  'ü',
  'v1',
  'V2',
  ' ',
  'select',
  'valueOf',
  '1',
];

/** By column id; a cell without a value is not there. */
export type MirrorRow = Map<number, Value>;

export class RandomTable {
  readonly #random: Random;
  readonly #keys: Value[][];
  /** Every write gives every cell a value: such columns are stored, and summed, otherwise. */
  readonly #isFull: boolean;
  keyspace: Keyspace;
  /** By key. */
  readonly rows = new Map<string, MirrorRow>();

  constructor(random: Random) {
    this.#random = random;
    this.#isFull = chance(random, 0.5);
    const names = NAMES.toSorted(() => random.fraction() - 0.5).slice(0, integerBetween(random, 3, 9));
    const types = names.map(() => formatColumnType(randomType(random)));
    const [partitionKey, ...rest] = names;
    const file: KeyspaceFile = {
      keyspace: 'ks',
      primary: 'paris',
      ack: 'local',
      sites: { paris: 'data' },
      partitions: integerBetween(random, 1, 3),
      tables: {
        t: {
          columns: Object.fromEntries(names.map((name, i) => [name, types[i]!])),
          partitionKey: partitionKey!,
          sortKey: rest.slice(0, integerBetween(random, 0, 2)),
          dynamicColumns: { max: 4 },
        },
      },
    };
    this.keyspace = evolve(null, file).keyspace;
    this.#keys = Array.from({ length: pick(random, [3, 20, 200]) }, () => this.#randomKey());
  }

  get table(): Table {
    return this.keyspace.tables[0]!;
  }

  #randomKey(): Value[] {
    return keyColumns(this.table).map(({ type }) => {
      for (;;) {
        const value = randomValue(this.#random, type);
        if (!Number.isNaN(value)) return value;
      }
    });
  }

  /** Some writes, which are in the mirror then too. */
  write(count: number): RowBatch {
    const batch = new RowBatch();
    for (let i = 0; i < count; i++) this.#writeOne(batch);
    return batch;
  }

  #writeOne(batch: RowBatch): void {
    const random = this.#random;
    const key = pick(random, this.#keys);
    const json: { [column: string]: unknown } = {};
    keyColumns(this.table).forEach(({ name, type }, i) => {
      json[name] = spelling(random, type, key[i]!);
    });
    const id = encodeKey(this.table, key).toString('hex');
    if (chance(random, 0.12)) {
      this.rows.delete(id);
      this.#add({ ...json, $delete: true }, batch);
      return;
    }
    const row: MirrorRow =
      this.rows.get(id) ?? new Map(keyColumns(this.table).map((column, i) => [column.id, key[i]!]));
    this.rows.set(id, row);
    for (const column of cellColumns(this.table)) {
      const draw = this.#isFull ? 1 : random.fraction();
      if (draw < 0.3) continue;
      const value = draw < 0.4 ? null : randomValue(random, column.type);
      json[column.name] = value === null ? null : spelling(random, column.type, value);
      if (value === null) row.delete(column.id);
      else row.set(column.id, value);
    }
    this.#add(json, batch);
  }

  #add(json: object, batch: RowBatch): void {
    addJsonRow(this.table, JSON.parse(JSON.stringify(json)) as JsonRow, batch);
  }

  /** A column that comes into being by being written: nothing is in it but what this row has. */
  writeDynamic(): RowBatch | null {
    if (this.table.dynamicColumns >= this.table.dynamicColumnsMax) return null;
    const name = `new ${this.table.columns.length}`;
    const key = pick(this.#random, this.#keys);
    const value = pick<[unknown, Value]>(this.#random, [
      [1.5, 1.5],
      ['x', 'x'],
      [true, true],
      [{ $bytes: 'AA==' }, Uint8Array.of(0)],
    ]);
    const json: { [column: string]: unknown } = { [name]: value[0] };
    keyColumns(this.table).forEach((column, i) => {
      json[column.name] = spelling(this.#random, column.type, key[i]!);
    });
    const batch = new RowBatch();
    try {
      this.#add(json, batch);
    } catch (error) {
      if (!(error instanceof NewColumns)) throw error;
      for (const { name: wanted, type } of error.columns) {
        this.keyspace = addDynamicColumn(this.keyspace, 't', wanted, type);
      }
      this.#add(json, batch);
    }
    const id = encodeKey(this.table, key).toString('hex');
    const row: MirrorRow =
      this.rows.get(id) ?? new Map(keyColumns(this.table).map((column, i) => [column.id, key[i]!]));
    this.rows.set(id, row.set(this.table.columns.at(-1)!.id, value[1]));
    return batch;
  }

  /** Adds, drops, renames or widens a column, as a changed keyspace file does. */
  evolve(): void {
    const file = formatKeyspaceFile(this.keyspace);
    const { columns, ...table } = file.tables.t!;
    const changed: Record<string, KeyspaceFile['tables'][string]['columns'][string]> = { ...columns };
    const cells = cellColumns(this.table).filter((column) => column.dynamic !== true);
    const draw = this.#random.fraction();
    const column = cells.length === 0 ? undefined : pick(this.#random, cells);
    const fresh = `later ${this.keyspace.version}`;
    if (draw < 0.4 || column === undefined) changed[fresh] = formatColumnType(randomType(this.#random));
    else if (draw < 0.6) changed[column.name] = { dropped: true };
    else if (draw < 0.8) {
      delete changed[column.name];
      changed[fresh] = { type: formatColumnType(column.type), renamedFrom: column.name };
    } else this.#widen(cells, changed);
    this.keyspace = evolve(this.keyspace, { ...file, tables: { t: { ...table, columns: changed } } }).keyspace;
  }

  #widen(cells: readonly Column[], columns: Record<string, unknown>): void {
    const narrow = cells.find(({ type }) => type.name === 'int');
    if (narrow === undefined) return;
    columns[narrow.name] = 'long';
    for (const row of this.rows.values()) {
      const value = row.get(narrow.id);
      if (value !== undefined) row.set(narrow.id, BigInt(value as number));
    }
  }
}
