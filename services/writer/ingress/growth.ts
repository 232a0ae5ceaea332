/**
 * The tables as a batch leaves them. Columns that come into being by being written are gathered over all its rows and
 * told once: a SCHEMA record holds the whole keyspace, in every partition.
 */

import { NewColumns } from '@tidemark/columnar/row-writer';
import { addDynamicColumns } from '@tidemark/model/evolve';
import { type Keyspace, type Table, tableNamed } from '@tidemark/model/table';

/** Whose tables they are: the writer's. */
type Tables = { readonly keyspace: Keyspace; grow(keyspace: Keyspace): void };

/** Of one batch, taken in and put in line in one turn: nobody else changes the tables in between. */
export class Growth {
  keyspace: Keyspace;
  readonly #tables: Tables;
  readonly #before: Keyspace;

  constructor(tables: Tables) {
    this.#tables = tables;
    this.#before = tables.keyspace;
    this.keyspace = tables.keyspace;
  }

  /** The table as it is with the columns that the rows so far have made. @throws {Fault} `notFound` */
  table(name: string): Table {
    return tableNamed(this.keyspace, name);
  }

  /**
   * Has `add` take its rows in; where they need new columns, once more when there are those, and `grown` was told.
   * @throws {Fault} `invalid`
   */
  take<T>(add: () => T, grown: () => void = () => {}): T {
    try {
      return add();
    } catch (error) {
      if (!(error instanceof NewColumns)) throw error;
      this.keyspace = addDynamicColumns(this.keyspace, error.table, error.columns);
      grown();
      return add();
    }
  }

  /** What is written from now on stands behind the new columns. */
  adopt(): void {
    if (this.keyspace !== this.#before) this.#tables.grow(this.keyspace);
  }
}
