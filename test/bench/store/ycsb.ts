/**
 * A table like YCSB's: keys `user…` that come in no order, ten fields after them, and every cell follows from the number
 * of its row. YCSB's fields are all text; measures need numbers to filter, to sum and to group by, so four are.
 */

import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { encodeKey } from '@tidemark/columnar/key';
import type { RowBatch } from '@tidemark/columnar/row-batch';
import type { Column, Table } from '@tidemark/model/table';
import { type Dataset, duckColumns } from './dataset.ts';

/** `field0` to `field2` are text of 10 to 100 characters; `field3` is such too, of which there are GROUPS. */
const FIELD_TYPES = [
  'string',
  'string',
  'string',
  'string',
  'int',
  'int',
  'int',
  'double',
  'double',
  'timestamp',
] as const;
const GROUPS = 64;
const TEXT_FIELDS = 4;
const [TEXT_LEAST, TEXT_LENGTHS] = [10, 91];
/** 6 bits a character, and none that CSV has to quote. */
const ALPHABET = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_');
/** µs since 1970 of the first row, and at most so many between two. */
const [FIRST_MICROS, STEP_MICROS] = [1_700_000_000_000_000, 1_000_000];
/** Bytes of the numbers in LMDB, which stand before the text. */
const PACKED_NUMBERS = 36;
const LINES_A_WRITE = 10_000;

const FIELDS: readonly Column[] = FIELD_TYPES.map((name, i) => ({
  id: i + 2,
  name: `field${i}`,
  type: { name },
  dropped: false,
}));
const TABLE: Table = {
  id: 1,
  name: 'ycsb',
  columns: [{ id: 1, name: 'id', type: { name: 'string' }, dropped: false }, ...FIELDS],
  key: [1],
  dynamicColumnsMax: 0,
  dynamicColumns: 0,
};

export class Ycsb implements Dataset {
  readonly table = TABLE;
  readonly rowCount: number;
  readonly roles = { updated: 'field4', above: 314, summed: 'field5', grouped: 'field3', fewValued: ['field3'] };
  readonly gets = [
    {
      what: 'two numbers',
      columns: ['field4', 'field5'],
      unpack: (bytes: Buffer) => [bytes.readInt32LE(0), bytes.readInt32LE(4)],
    },
    { what: 'all ten fields', columns: [4, 5, 6, 7, 8, 9, 0, 1, 2, 3].map((i) => `field${i}`), unpack: unpackAll },
  ];
  readonly #hashes: BigUint64Array;

  constructor(rowCount: number) {
    this.rowCount = rowCount;
    this.#hashes = BigUint64Array.from({ length: rowCount }, (_, row) => fnv64(row));
  }

  keyOf(row: number): Buffer {
    return encodeKey(TABLE, [this.#user(row)]);
  }

  putCells(batch: RowBatch, at: number, row: number): void {
    for (const [i, cell] of cellsOf(row).entries()) {
      const vector = batch.column(TABLE, FIELDS[i]!.id);
      if (typeof cell === 'string') vector.setString(at, cell);
      else vector.setNumber(at, cell);
    }
  }

  packed(row: number): Buffer {
    const cells = cellsOf(row);
    const texts = cells.slice(0, TEXT_FIELDS).map((text) => Buffer.from(text as string));
    const [a, b, c, d, e, f] = cells.slice(TEXT_FIELDS) as number[];
    const numbers = Buffer.alloc(PACKED_NUMBERS);
    for (const [i, int] of [a!, b!, c!].entries()) numbers.writeInt32LE(int, i * 4);
    for (const [i, double] of [d!, e!, f!].entries()) numbers.writeDoubleLE(double, 12 + i * 8);
    return Buffer.concat([numbers, ...texts.flatMap((text) => [Buffer.from([text.length]), text])]);
  }

  /** Writes all rows as CSV. */
  rowsSql(folder: string): string {
    const path = join(folder, 'ycsb.csv');
    const file = openSync(path, 'w');
    for (let from = 0; from < this.rowCount; from += LINES_A_WRITE) {
      let lines = '';
      for (let row = from; row < Math.min(from + LINES_A_WRITE, this.rowCount); row++) {
        lines += `${row},${this.#user(row)},${cellsOf(row).join(',')}\n`;
      }
      writeSync(file, lines);
    }
    closeSync(file);
    // Times are numbers in the file.
    const columns = `i bigint, ${duckColumns(TABLE)}`.replace('timestamp', 'bigint').split(', ');
    const types = columns.map((column) => `${column.replace(' ', ": '")}'`).join(', ');
    return `select * replace (make_timestamp(field9) as field9)
      from read_csv('${path}', header = false, auto_detect = false, columns = {${types}})`;
  }

  #user(row: number): string {
    return `user${this.#hashes[row]}`;
  }
}

function cellsOf(row: number): (string | number)[] {
  const n = (field: number): number => mixed(row * 16 + field);
  return [
    textOf(n(0)),
    textOf(n(1)),
    textOf(n(2)),
    textOf(n(3) % GROUPS),
    (n(4) % 500) - 60,
    n(5) % 10_000,
    n(6) | 0,
    (n(7) % 100_000) / 100,
    (n(8) % 10_000_000) / 100,
    FIRST_MICROS + row * STEP_MICROS + (n(9) % STEP_MICROS),
  ];
}

const scratch = Buffer.alloc(TEXT_LEAST + TEXT_LENGTHS);

function textOf(seed: number): string {
  const length = TEXT_LEAST + (mixed(seed) % TEXT_LENGTHS);
  let bits = 0;
  for (let i = 0; i < length; i++) {
    bits = i % 5 === 0 ? mixed(seed + i + 1) : bits >>> 6;
    scratch[i] = ALPHABET[bits & 63]!;
  }
  return scratch.toString('latin1', 0, length);
}

function unpackAll(bytes: Buffer): (string | number)[] {
  const cells: (string | number)[] = [
    bytes.readInt32LE(0),
    bytes.readInt32LE(4),
    bytes.readInt32LE(8),
    bytes.readDoubleLE(12),
    bytes.readDoubleLE(20),
    bytes.readDoubleLE(28),
  ];
  let at = PACKED_NUMBERS;
  for (let i = 0; i < TEXT_FIELDS; i++) {
    const end = at + 1 + bytes[at]!;
    cells.push(bytes.toString('utf8', at + 1, end));
    at = end;
  }
  return cells;
}

/** A number of 32 bits, as if by chance; different for every `n` below 2^32 (the last step of MurmurHash3). */
function mixed(n: number): number {
  let h = n | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** FNV-1a of the eight bytes of a number, as YCSB makes a key of the number of its row. */
function fnv64(row: number): bigint {
  let hash = 0xcbf29ce484222325n;
  for (let i = 0; i < 8; i++) {
    const byte = Math.floor(row / 256 ** i) % 256;
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return hash;
}
