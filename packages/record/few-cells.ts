/**
 * The cells of a record's columns that few of its rows have, row by row: three columns one behind the other, each u32
 * length and bytes. How many cells each row has; of each cell the id of its column, ascending within a row; and its value
 * as bytes (`packages/columnar/cell-bytes.ts`), or deleted.
 */

import { setCellBytes } from '@tidemark/columnar/cell-bytes';
import { decodeColumn, encodeColumn } from '@tidemark/columnar/column-codec';
import { CELL, ColumnVector } from '@tidemark/columnar/column-vector';
import type { RowCells } from '@tidemark/columnar/row-cells';
import { Fault } from '@tidemark/platform/fault';

/** Among the record's columns the number of this: no column's id. */
export const FEW_CELLS = 0;
/** A column is among them while fewer than one of so many rows has a cell. */
const FEW_SHARE = 8;

/** Fewer columns are written each by itself: two bits a row tell where a column has cells, a byte how many a row has. */
const COLUMNS_MIN = 16;

/** Cells of some columns of a batch, gathered for one record. Nothing of it is kept from one record to the next. */
export class FewCells {
  /** Of each cell its row in the record, its column's place, and its row in the batch. */
  #rowOf = new Uint32Array(64);
  #placeOf = new Uint32Array(64);
  #sourceOf = new Uint32Array(64);
  #count = 0;
  readonly #columns: { readonly id: number; readonly vector: ColumnVector }[] = [];
  readonly #counts = new ColumnVector('i32');
  readonly #ids = new ColumnVector('i32');
  readonly #values = new ColumnVector('bytes');

  clear(): void {
    this.#count = 0;
    this.#columns.length = 0;
  }

  /**
   * Looks through rows `rows[from … to)` of a column. @returns whether any has a cell: `few` when they are taken here, `many`
   * when the column is to be written by itself
   */
  take(id: number, vector: ColumnVector, rows: Uint32Array, from: number, to: number): 'none' | 'few' | 'many' {
    const { presence } = vector;
    const first = this.#count;
    const most = Math.ceil((to - from) / FEW_SHARE);
    for (let i = from; i < to; i++) {
      const row = rows[i]!;
      if (presence[row] === CELL.absent) continue;
      if (this.#count - first + 1 >= most) {
        this.#count = first;
        return 'many';
      }
      if (this.#count === this.#rowOf.length) this.#grow();
      this.#rowOf[this.#count] = i - from;
      this.#placeOf[this.#count] = this.#columns.length;
      this.#sourceOf[this.#count++] = row;
    }
    if (this.#count === first) return 'none';
    this.#columns.push({ id, vector });
    return 'few';
  }

  /** True when so many columns were taken that they are smaller together. */
  get isWorth(): boolean {
    return this.#columns.length >= COLUMNS_MIN;
  }

  /** Whether it was taken. Asked only where few were. */
  has(id: number): boolean {
    return this.#columns.some((column) => column.id === id);
  }

  /** What was taken, of a record of so many rows. */
  encode(rowCount: number): Buffer {
    const order = this.#inOrder(rowCount);
    const values = this.#values;
    values.arenaUsed = 0;
    for (let cell = 0; cell < order.length; cell++) {
      const { id, vector } = this.#columns[this.#placeOf[order[cell]!]!]!;
      this.#ids.setNumber(cell, id);
      setCellBytes(values, cell, vector, this.#sourceOf[order[cell]!]!, vector.kind);
    }
    const sections = [
      encodeColumn(this.#counts, null, 0, rowCount),
      encodeColumn(this.#ids, null, 0, order.length),
      encodeColumn(values, null, 0, order.length),
    ];
    const out = Buffer.allocUnsafe(sections.reduce((sum, { length }) => sum + 4 + length, 0));
    let at = 0;
    for (const section of sections) {
      at = out.writeUInt32LE(section.length, at);
      at += section.copy(out, at);
    }
    return out;
  }

  /** Cells row by row, those of a row by their columns; notes how many each row has. */
  #inOrder(rowCount: number): Uint32Array {
    const ends = new Uint32Array(rowCount + 1);
    for (let cell = 0; cell < this.#count; cell++) ends[this.#rowOf[cell]! + 1]!++;
    for (let row = 0; row < rowCount; row++) {
      this.#counts.setNumber(row, ends[row + 1]!);
      ends[row + 1]! += ends[row]!;
    }
    const order = new Uint32Array(this.#count);
    const next = ends.slice();
    for (let cell = 0; cell < this.#count; cell++) order[next[this.#rowOf[cell]!]!++] = cell;
    const idOf = (cell: number): number => this.#columns[this.#placeOf[cell]!]!.id;
    for (let row = 0; row < rowCount; row++) {
      if (ends[row + 1]! - ends[row]! > 1) order.subarray(ends[row], ends[row + 1]).sort((a, b) => idOf(a) - idOf(b));
    }
    return order;
  }

  #grow(): void {
    const larger = (old: Uint32Array): Uint32Array<ArrayBuffer> => {
      const made = new Uint32Array(old.length * 2);
      made.set(old);
      return made;
    };
    this.#rowOf = larger(this.#rowOf);
    this.#placeOf = larger(this.#placeOf);
    this.#sourceOf = larger(this.#sourceOf);
  }
}

const counts = new ColumnVector('i32');
const ids = new ColumnVector('i32');

/** Fills emptied cells from what `FewCells` made. @throws {Fault} `corrupt`: lengths do not add up */
export function decodeFewCells(bytes: Uint8Array, rowCount: number, into: RowCells): void {
  const sections = split(bytes);
  decodeColumn(sections[0]!, rowCount, counts);
  for (let row = 0; row < rowCount; row++) {
    const count = counts.presence[row] === CELL.value ? counts.i32[row]! : -1;
    if (count < 0) throw wrong(`${count} cells in row ${row}`, '0 or more');
    into.addAll(count);
  }
  decodeColumn(sections[1]!, into.count, ids);
  for (let cell = 0; cell < into.count; cell++) {
    if (ids.presence[cell] !== CELL.value) throw wrong('a cell of row-by-row cells without a column', 'an id');
    into.columns[cell] = ids.i32[cell]!;
  }
  decodeColumn(sections[2]!, into.count, into.values);
  const lacking = into.values.presence.subarray(0, into.count).indexOf(CELL.absent);
  if (lacking !== -1) throw wrong(`cell ${lacking} of row-by-row cells absent`, 'a value, or deleted');
}

function split(bytes: Uint8Array): Uint8Array[] {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const sections: Uint8Array[] = [];
  for (let at = 0; at < all.length; ) {
    const length = at + 4 <= all.length ? all.readUInt32LE(at) : Number.POSITIVE_INFINITY;
    if (at + 4 + length > all.length) throw wrong(`a section of ${length} bytes at ${at}`, all.length);
    sections.push(all.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  if (sections.length !== 3) throw wrong(`${sections.length} sections of row-by-row cells`, 3);
  return sections;
}

function wrong(got: string, expected: string | number): Fault {
  return new Fault('corrupt', `MUTATE record: ${got}, expected ${expected}`, { got, expected });
}
