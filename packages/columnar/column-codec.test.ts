import type { Physical, Value } from '@tidemark/model/column-type';
import { isFault } from '@tidemark/platform/fault';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeColumn, ENCODING, encodeColumn } from './column-codec.ts';
import { CELL, ColumnVector } from './column-vector.ts';
import { setValue } from './value-at.ts';

type Cell = Value | null | undefined;
const BASES = [0, -1, 255, 65_535, 2 ** 31 - 300, -(2 ** 31)];

/** Values of a kind: near each other (frames, dictionaries) or all over. */
const VALUES: Record<Physical, fc.Arbitrary<Value>> = {
  u8: fc.boolean(),
  i32: fc.oneof(
    fc.tuple(fc.constantFrom(...BASES), fc.nat(299)).map(([b, n]) => Math.min(b + n, 2 ** 31 - 1)),
    fc.integer(),
  ),
  f64: fc.double(),
  whole: fc.oneof(fc.integer({ min: 1_700_000_000_000_000, max: 1_700_000_000_070_000 }), fc.maxSafeInteger()),
  i64: fc.oneof(
    fc.bigInt({ min: (1n << 40n) - 3n, max: (1n << 40n) + 300n }),
    fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }),
  ),
  bytes: fc.oneof(fc.constantFrom('', 'SAN', 'LAX', '\0'), fc.string({ unit: 'binary' })).map((t) => Buffer.from(t)),
};

const column = fc.constantFrom(...(Object.keys(VALUES) as Physical[])).chain((kind) =>
  fc.record({
    kind: fc.constant(kind),
    cells: fc.oneof(
      fc.array(VALUES[kind], { maxLength: 40 }),
      fc.array(fc.oneof(fc.constant(null), fc.constant(undefined), VALUES[kind]), { maxLength: 40 }),
    ),
  }),
);

function vectorOf(kind: Physical, cells: readonly Cell[]): ColumnVector {
  const vector = new ColumnVector(kind);
  cells.forEach((cell, row) => {
    if (cell === null) vector.setDeleted(row);
    else if (cell !== undefined) setValue(vector, row, cell);
  });
  return vector;
}
function cellAt(vector: ColumnVector, row: number): unknown {
  const state = vector.presence[row];
  if (state !== CELL.value) return state === CELL.deleted ? null : undefined;
  if (vector.kind === 'bytes') return vector.bytesAt(row).toString('hex');
  if (vector.kind === 'i64') return vector.i64[row];
  return vector.kind === 'u8' ? vector.u8[row] : vector.kind === 'i32' ? vector.i32[row] : vector.f64[row];
}
const cellsOf = (vector: ColumnVector, from: number, count: number): unknown[] =>
  Array.from({ length: count }, (_, i) => cellAt(vector, from + i));
const encodingOf = (kind: Physical, cells: readonly Cell[]): number =>
  encodeColumn(vectorOf(kind, cells), null, 0, cells.length)[1]!;

describe('column codec', () => {
  it('gives back every cell of every kind, behind the rows that are there already', () => {
    fc.assert(
      fc.property(column, fc.nat(70), ({ kind, cells }, toRow) => {
        const vector = vectorOf(kind, cells);
        const into = vectorOf(kind, cells);
        const before = cellsOf(into, 0, Math.min(toRow, cells.length));
        decodeColumn(encodeColumn(vector, null, 0, cells.length), cells.length, into, toRow);
        expect(cellsOf(into, toRow, cells.length)).toEqual(cellsOf(vector, 0, cells.length));
        expect(cellsOf(into, 0, before.length)).toEqual(before);
      }),
      { numRuns: 3000 },
    );
  });

  it('picks rows in any order', () => {
    fc.assert(
      fc.property(column, fc.array(fc.nat(), { maxLength: 20 }), ({ kind, cells }, picks) => {
        fc.pre(cells.length > 0);
        const vector = vectorOf(kind, cells);
        const rows = Uint32Array.from(picks, (pick) => pick % cells.length);
        const into = new ColumnVector(kind);
        const from = Math.min(1, rows.length);
        decodeColumn(encodeColumn(vector, rows, from, rows.length), rows.length - from, into);
        expect(cellsOf(into, 0, rows.length - from)).toEqual(
          [...rows.subarray(from)].map((row) => cellAt(vector, row)),
        );
      }),
      { numRuns: 1000 },
    );
  });

  it('reads into longs what was written while the column was an int', () => {
    fc.assert(
      fc.property(fc.array(VALUES.i32, { maxLength: 20 }), (cells) => {
        const into = new ColumnVector('i64');
        decodeColumn(encodeColumn(vectorOf('i32', cells), null, 0, cells.length), cells.length, into);
        expect(cellsOf(into, 0, cells.length)).toEqual(cells.map((cell) => BigInt(cell as number)));
      }),
    );
  });

  it('takes the narrowest form', () => {
    expect(encodingOf('i32', [5, 6, 7])).toBe(ENCODING.frame);
    expect(encodingOf('i32', [-(2 ** 31), 2 ** 31 - 1])).toBe(ENCODING.i32);
    expect(encodingOf('whole', [0, 2 ** 40])).toBe(ENCODING.i64);
    expect(encodingOf('i64', [1n, 2n])).toBe(ENCODING.frame);
    expect(encodingOf('i64', [0n, 1n << 40n])).toBe(ENCODING.i64);
    expect(encodingOf('bytes', ['a', 'b'].map(Buffer.from))).toBe(ENCODING.bytes);
    const airports = Array.from({ length: 600 }, (_, i) => Buffer.from(`A${i % 300}`));
    expect(encodingOf('bytes', airports)).toBe(ENCODING.dictionary);
    const same = encodeColumn(vectorOf('i32', Array(1000).fill(7)), null, 0, 1000);
    expect(same.length).toBe(11);
  });

  it('gives back dictionaries of one and of two bytes a code', () => {
    for (const different of [255, 256, 257, 5000]) {
      const cells = Array.from({ length: different * 3 }, (_, i) => Buffer.from(`value ${(i * 7) % different}`));
      const into = new ColumnVector('bytes');
      const vector = vectorOf('bytes', cells);
      decodeColumn(encodeColumn(vector, null, 0, cells.length), cells.length, into);
      expect(cellsOf(into, 0, cells.length)).toEqual(cellsOf(vector, 0, cells.length));
    }
  });

  it('answers bytes cut short with `corrupt`, and never reads beyond them', () => {
    fc.assert(
      fc.property(column, ({ kind, cells }) => {
        const bytes = encodeColumn(vectorOf(kind, cells), null, 0, cells.length);
        for (let length = 0; length < bytes.length; length++) {
          expect(faultOf(() => decodeColumn(bytes.subarray(0, length), cells.length, new ColumnVector(kind)))).toBe(
            true,
          );
        }
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    ['presence of another kind', 'i32', [2, 1, 0, 0, 0, 0]],
    ['a state that is none', 'i32', [1, 3, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0]],
    ['an encoding of another kind', 'i32', [0, ENCODING.f64, 0, 0, 0, 0, 0, 0, 0, 0]],
    ['a frame of three bytes', 'i32', [0, ENCODING.frame, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0]],
    ['a frame beyond 32 bits', 'i32', [0, ENCODING.frame, 255, 255, 255, 127, 0, 0, 0, 0, 1, 1]],
    ['a code that is none', 'bytes', [0, ENCODING.dictionary, 1, 0, 0, 0, 0, 0, 0, 0, 1]],
    ['a length beyond the end', 'bytes', [0, ENCODING.bytes, 9, 0, 0, 0, 65]],
  ] as [string, Physical, number[]][])('answers %s with `corrupt`', (_, kind, bytes) => {
    expect(faultOf(() => decodeColumn(Buffer.from(bytes), 1, new ColumnVector(kind)))).toBe(true);
  });
});

function faultOf(act: () => unknown): boolean {
  try {
    act();
  } catch (error) {
    if (isFault(error, 'corrupt')) return true;
    throw error;
  }
  return false;
}
