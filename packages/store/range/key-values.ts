/** The parts of a row's key as values, those alone that are wanted. */

import { type Physical, physicalOf, type Value } from '@tidemark/model/column-type';
import { type Column, keyColumns, type Table } from '@tidemark/model/table';
import { Fault } from '@tidemark/platform/fault';
import { KeyParts, keyKindsOf } from '../key/key-search.ts';
import { fromRaw } from '../row/raw-value.ts';
import { emptyRow } from './fill.ts';
import type { RowValues } from './range-wish.ts';

/** Taking a key apart waits for nothing, so one serves all. */
const parts = new KeyParts();

/** Makes rows that have the key columns among some columns, and null for every other. */
export class KeyValues {
  readonly #table: Table;
  readonly #keys: readonly Column[];
  readonly #kinds: readonly Physical[];
  /** Of each part its place among the columns, or −1; up to the last that is wanted. */
  readonly #places: number[] = [];
  readonly #columnCount: number;

  constructor(table: Table, columns: readonly Column[]) {
    this.#table = table;
    this.#keys = keyColumns(table);
    this.#kinds = keyKindsOf(table);
    this.#columnCount = columns.length;
    const places = table.key.map((key) => columns.findIndex(({ id }) => id === key));
    const last = places.findLastIndex((place) => place !== -1);
    this.#places = places.slice(0, last + 1);
  }

  /** @throws {Fault} `corrupt`: not a key of the table */
  of(arena: Uint8Array, start: number, length: number): RowValues {
    const values = emptyRow(this.#columnCount);
    const places = this.#places;
    if (places.length === 0) return values;
    parts.begin(arena.subarray(start, start + length));
    for (let i = 0; i < places.length; i++) {
      if (!parts.next(this.#kinds[i]!)) {
        const message = `table ${this.#table.name}: a key of ${length} bytes ends within part ${i + 1}`;
        throw new Fault('corrupt', message, { got: length });
      }
      if (places[i] !== -1) values[places[i]!] = this.#value(i);
    }
    return values;
  }

  #value(part: number): Value {
    const { type } = this.#keys[part]!;
    if (this.#kinds[part] !== 'bytes') {
      if (physicalOf(type) === 'i64') return parts.long ?? BigInt(parts.number);
      return type.name === 'boolean' ? parts.number === 1 : parts.number;
    }
    const bytes = parts.arena.subarray(parts.start, parts.start + parts.length);
    return type.name === 'bytes' ? new Uint8Array(bytes) : fromRaw(type, bytes);
  }
}
