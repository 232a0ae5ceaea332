/** Scratch tables of a keyspace: what replays were asked to make beside the real ones, at this site only. */

import { isName } from '@tidemark/model/keyspace-file';
import type { Table } from '@tidemark/model/table';
import type { Disk } from '@tidemark/platform/disk';
import { Fault, isFault } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import { asWritten, readDerived, setAside, writeState } from '@tidemark/platform/state-file';
import { openTable, type Stores, type TableStore } from './stores.ts';

const FOLDER = 'checkpoints/applier';
const SUFFIX = '.scratch';

/** The folder of the scratch table that a path of column files is in; null: it is of a real table. */
export function scratchFolderIn(path: string): string | null {
  const [keyspace, table] = path.split('/');
  return table?.endsWith(SUFFIX) === true ? `${keyspace}/${table}` : null;
}

/** Keeps what is left of a scratch table for people: it is made again by another replay only. */
export async function setScratchAside(disk: Disk, folder: string, reason: string, logger: Logger): Promise<void> {
  logger.error({ folder, reason }, `${reason}: ${folder} is set aside; replay into it again`);
  await setAside(disk, folder);
}

/** The scratch tables of one keyspace at this site, kept over restarts until they are dropped. */
export class Scratch implements AsyncDisposable {
  readonly #disk: Disk;
  readonly #stores: Stores;
  readonly #tables = new Map<string, TableStore>();
  readonly #busy = new Set<string>();

  private constructor(disk: Disk, stores: Stores) {
    this.#disk = disk;
    this.#stores = stores;
  }

  /** Opens those that are there. One in which stored bytes are wrong is set aside, and is there no more. */
  static async open(disk: Disk, stores: Stores, logger: Logger): Promise<Scratch> {
    const scratch = new Scratch(disk, stores);
    const tables = await readDerived(disk, scratch.#path, asWritten<Table[]>(), logger);
    for (const table of tables ?? []) await scratch.#openWhole(table, logger);
    // One that is not whole is none: it would be read as if it were.
    if (scratch.#tables.size < (tables?.length ?? 0)) await scratch.#write();
    return scratch;
  }

  async #openWhole(table: Table, logger: Logger): Promise<void> {
    const folder = this.#folder(table.name);
    if ((await this.#disk.list(folder)).length === 0) return;
    try {
      await this.#open(table);
    } catch (error) {
      if (!isFault(error, 'corrupt')) throw error;
      await setScratchAside(this.#disk, folder, error.message, logger);
    }
  }

  get #path(): string {
    return `${FOLDER}/${this.#stores.keyspace.name}.scratch.json`;
  }

  async #open(table: Table): Promise<TableStore> {
    const { partitions } = this.#stores.keyspace;
    const store = await openTable(this.#disk, null, this.#folder(table.name), table, { partitions });
    this.#tables.set(table.name, store);
    return store;
  }

  /** No table's name has a dot in it, so that a real one never meets a scratch one. */
  #folder(name: string): string {
    return `${this.#stores.keyspace.name}/${name}${SUFFIX}`;
  }

  table(name: string): TableStore | undefined {
    return this.#tables.get(name);
  }

  get names(): string[] {
    return [...this.#tables.keys()];
  }

  /**
   * Takes a scratch table for one replay until the result is disposed.
   * @throws {Fault} `invalid`: not a name, or a real table's. `unavailable`: another replay has it.
   */
  take(name: string): Disposable {
    const real = this.#stores.keyspace.tables.some((table) => table.name.toLowerCase() === name.toLowerCase());
    if (!isName(name) || real) {
      const expected = 'a name that no table has';
      throw new Fault('invalid', `replay into "${name}", expected ${expected}`, { got: name, expected });
    }
    if (this.#busy.has(name)) throw new Fault('unavailable', `another replay into ${name} is running`, { got: name });
    this.#busy.add(name);
    return { [Symbol.dispose]: () => this.#busy.delete(name) };
  }

  /** The scratch table with the columns of `source`: as it was left when `resume`, else empty. */
  async prepare(source: Table, name: string, resume: boolean): Promise<TableStore> {
    const existing = this.#tables.get(name);
    if (existing !== undefined && existing.table.id !== source.id && resume) {
      throw new Fault('invalid', `scratch table ${name} was made from table ${existing.table.id}, not ${source.name}`, {
        got: source.id,
        expected: existing.table.id,
      });
    }
    for (const partition of existing?.partitions ?? []) await partition.close();
    this.#tables.delete(name);
    if (!resume) await this.#disk.remove(this.#folder(name));
    const store = await this.#open({ ...source, name });
    await this.#disk.makeFolder(FOLDER);
    await this.#write();
    return store;
  }

  #write(): Promise<void> {
    return writeState(
      this.#disk,
      this.#path,
      [...this.#tables.values()].map(({ table }) => table),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { partitions } of this.#tables.values()) for (const partition of partitions) await partition.close();
  }
}
