import { CELL, ColumnVector } from '@tidemark/columnar/column-vector';
import type { Physical } from '@tidemark/model/column-type';
import { isFault } from '@tidemark/platform/fault';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeBlock, decodeDictionary } from './block-decoder.ts';
import { encodeBlock } from './block-encoder.ts';
import { BLOCK_ENCODING } from './block-encoding.ts';
import { type Chunk, rawOfChunk, sliceChunk } from './chunk.ts';
import { vectorOf } from './chunk-vector.ts';
import { cutSection } from './cut-section.ts';
import { joinChunks } from './join-chunks.ts';
import type { RawValue } from './zone.ts';

/** A value, null for a deleted cell, undefined for none. */
type Cell = RawValue | null | undefined;

function vectorWith(kind: Physical, cells: readonly Cell[]): ColumnVector {
  const vector = new ColumnVector(kind);
  vector.reserveRows(cells.length);
  cells.forEach((cell, row) => {
    if (cell === null) vector.setDeleted(row);
    else if (typeof cell === 'bigint') vector.setBigint(row, cell);
    else if (typeof cell === 'number') vector.setNumber(row, cell);
    else if (cell !== undefined) vector.setBytes(row, cell);
  });
  return vector;
}

function cellsOf(vector: ColumnVector, count: number): Cell[] {
  return Array.from({ length: count }, (_, row) => {
    if (vector.presence[row] === CELL.absent) return undefined;
    if (vector.presence[row] === CELL.deleted) return null;
    if (vector.kind === 'bytes') return new Uint8Array(vector.bytesAt(row));
    if (vector.kind === 'i64') return vector.i64[row];
    return vector.kind === 'i32' ? vector.i32[row] : vector.kind === 'u8' ? vector.u8[row] : vector.f64[row];
  });
}

/** What comes back, through a vector and cell by cell. */
function roundTrip(kind: Physical, cells: readonly Cell[], from = 0): { back: Cell[]; encoding: number } {
  const section = encodeBlock(vectorWith(kind, cells), from, cells.length);
  const count = cells.length - from;
  const chunk = decodeBlock(section, count, kind);
  const back = cellsOf(vectorOf(chunk), count);
  back.forEach((cell, row) => {
    if (cell === null || cell === undefined) return;
    const raw = rawOfChunk(chunk, row);
    expect(raw instanceof Uint8Array ? new Uint8Array(raw) : raw).toEqual(cell);
  });
  for (const unitRows of [4, 8, 32, 256]) throughUnits(section, kind, back, unitRows);
  return { back, encoding: section[section[0] === 0 ? 1 : 1 + Math.ceil(count / 4)]! };
}

/** The units of a section, decoded each by itself. */
function unitsOf(section: Buffer, kind: Physical, count: number, unitRows: number): Chunk[] {
  const { dictionary, units } = cutSection(section, count, kind, unitRows);
  const texts = dictionary === null ? null : decodeDictionary(dictionary);
  return units.map((pieces, unit) =>
    decodeBlock(Buffer.concat(pieces), Math.min(unitRows, count - unit * unitRows), kind, texts),
  );
}

/** Cut into units, each gives its own cells; put together again, all of them, and any of them. */
function throughUnits(section: Buffer, kind: Physical, cells: readonly Cell[], unitRows: number): void {
  if (cells.length === 0 || (unitRows > 4 && unitRows > cells.length * 2)) return;
  const units = unitsOf(section, kind, cells.length, unitRows);
  expect(units.flatMap((unit) => cellsOf(vectorOf(unit), unit.rowCount))).toEqual(cells);
  const whole = joinChunks(units, kind);
  expect(cellsOf(vectorOf(whole), cells.length)).toEqual(cells);
  const [from, to] = [Math.floor(cells.length / 3), Math.ceil((cells.length * 2) / 3)];
  const slice = vectorOf(sliceChunk(whole, from, to));
  expect(cellsOf(slice, to - from)).toEqual(cells.slice(from, to));
}

const I64 = [-(1n << 63n), (1n << 63n) - 1n];
const WHOLE = Number.MAX_SAFE_INTEGER;
const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value));

const VALUES: Record<Physical, fc.Arbitrary<RawValue>> = {
  u8: fc.integer({ min: 0, max: 1 }),
  i32: fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer(), fc.constantFrom(-2_147_483_648, 2_147_483_647)),
  whole: fc.oneof(fc.integer({ min: 0, max: 300 }), fc.maxSafeInteger(), fc.constantFrom(WHOLE, -WHOLE)),
  i64: fc.oneof(fc.bigInt(0n, 300n), fc.bigInt(I64[0]!, I64[1]!), fc.constantFrom(...I64)),
  f64: fc.oneof(
    fc.integer({ min: -999, max: 999 }).map((cents) => cents / 100),
    fc.double(),
    fc.constantFrom(-0, 0),
  ),
  bytes: fc.oneof(fc.constantFrom(text(''), text('LAX')), fc.uint8Array({ maxLength: 40 })),
};

describe('the encodings of a block', () => {
  for (const kind of Object.keys(VALUES) as Physical[]) {
    it(`give back every ${kind}, whatever states and runs lie around it`, () => {
      const cell = fc.oneof({ weight: 5, arbitrary: VALUES[kind] }, fc.constantFrom(null, undefined));
      const run = fc
        .tuple(cell, fc.integer({ min: 1, max: 40 }))
        .map(([value, length]) => Array<Cell>(length).fill(value));
      const cells = fc.oneof(
        fc.array(VALUES[kind], { maxLength: 80 }),
        fc.array(cell, { maxLength: 80 }),
        fc.array(run, { maxLength: 6 }).map((runs) => runs.flat()),
      );
      fc.assert(
        fc.property(cells, fc.integer({ min: 0, max: 5 }), (all, skip) => {
          const from = Math.min(skip, all.length);
          expect(roundTrip(kind, all, from).back).toEqual(all.slice(from));
        }),
        { numRuns: 300 },
      );
    });
  }

  it('hold at the edges', () => {
    const edges: [Physical, Cell[]][] = [
      ['i32', []],
      ['i32', [null, undefined, null]],
      ['i32', [-2_147_483_648, 2_147_483_647]],
      ['i32', Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? -2_147_483_648 : 2_147_483_647))],
      ['i64', [...I64, 0n, (1n << 53n) + 1n, -(1n << 53n) - 1n]],
      ['i64', Array.from({ length: 99 }, (_, i) => I64[1]! - BigInt(i))],
      ['i64', Array.from({ length: 99 }, (_, i) => I64[0]! + BigInt(i * 1000))],
      ['whole', [WHOLE, -WHOLE, 0]],
      ['whole', Array.from({ length: 99 }, (_, i) => WHOLE - 99 + i)],
      ['f64', [-0, 0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 5e-324, Number.MAX_VALUE]],
      ['f64', Array<Cell>(40).fill(-0)],
      ['f64', [0.1, 0.2, 0.1 + 0.2]],
      ['bytes', [text(''), new Uint8Array(1024 * 1024).fill(7), text('é\0ü')]],
      ['bytes', Array<Cell>(100).fill(text(''))],
    ];
    for (const [kind, cells] of edges) expect(roundTrip(kind, cells).back).toEqual(cells);
  });

  it('are chosen by the shape of the values', () => {
    const many = (value: (i: number) => Cell): Cell[] => Array.from({ length: 4096 }, (_, i) => value(i));
    const chosen = (kind: Physical, cells: Cell[]): number => {
      const { back, encoding } = roundTrip(kind, cells);
      expect(back).toEqual(cells);
      return encoding;
    };
    expect(
      chosen(
        'whole',
        many((i) => ((i * 7919) % 200) * 60_000_000),
      ),
    ).toBe(BLOCK_ENCODING.steps);
    expect(
      chosen(
        'whole',
        many((i) => 1_700_000_000_000_000 + i * 61_000_017),
      ),
    ).toBe(BLOCK_ENCODING.rising);
    expect(
      chosen(
        'i64',
        many((i) => BigInt((i % 1024) * 1_000_003)),
      ),
    ).toBe(BLOCK_ENCODING.rising);
    expect(
      chosen(
        'i32',
        many((i) => i >> 8),
      ),
    ).toBe(BLOCK_ENCODING.runs);
    expect(
      chosen(
        'bytes',
        many((i) => text(`${i >> 7}`)),
      ),
    ).toBe(BLOCK_ENCODING.runs);
    expect(
      chosen(
        'f64',
        many((i) => (i % 977) / 100),
      ),
    ).toBe(BLOCK_ENCODING.decimals);
    expect(
      chosen(
        'u8',
        many((i) => i % 2),
      ),
    ).toBe(BLOCK_ENCODING.bits);
  });

  it('keep in units what scans are fast by: narrow numbers, one dictionary, runs', () => {
    const units = (kind: Physical, cells: Cell[]): Chunk => {
      const section = encodeBlock(vectorWith(kind, cells), 0, cells.length);
      const joined = joinChunks(unitsOf(section, kind, cells.length, 64), kind);
      // Runs that are cut have their text twice.
      if (section[1] !== BLOCK_ENCODING.runs) expect(joined).toEqual(decodeBlock(section, cells.length, kind));
      return joined;
    };
    const many = (value: (i: number) => Cell): Cell[] => Array.from({ length: 4096 }, (_, i) => value(i));
    units(
      'i32',
      many((i) => (i * 7919) % 60_000),
    );
    units(
      'whole',
      many((i) => 1_700_000_000_000_000 + i * 61_000_017),
    );
    units(
      'bytes',
      many((i) => text(`${(i * 7919) % 300}`)),
    );
    const runs = units(
      'bytes',
      many((i) => text(`${Math.floor(i / 100)}`)),
    );
    expect(runs.form === 'bytes' && runs.runEnds?.length).toBe(41);
  });

  it('share no dictionary that is too large for who wants one row', () => {
    const word = (i: number): Uint8Array => text(`${i}`.padStart(40, 'x'));
    const cells = Array.from({ length: 16_384 }, (_, i) => word((i * 7919) % 6_000));
    const section = encodeBlock(vectorWith('bytes', cells), 0, cells.length);
    expect(cutSection(section, cells.length, 'bytes', 1024).dictionary).toBe(null);
    throughUnits(section, 'bytes', cells, 1024);
    // Those of a unit that come again have a dictionary there.
    throughUnits(section, 'bytes', cells, 16_384);
  });

  it('refuse bytes that are cut short or changed, or give other cells; never anything worse', () => {
    const sections = (Object.keys(VALUES) as Physical[]).map((kind) => {
      const cells = Array.from({ length: 64 }, (_, i): Cell => {
        if (i % 7 === 0) return null;
        return kind === 'bytes' ? text(`${i >> 3}`) : kind === 'i64' ? BigInt(i) : kind === 'u8' ? i % 2 : i * 1000;
      });
      return [kind, encodeBlock(vectorWith(kind, cells), 0, 64)] as const;
    });
    fc.assert(
      fc.property(
        fc.constantFrom(...sections),
        fc.nat(),
        fc.integer({ min: 0, max: 255 }),
        ([kind, section], at, byte) => {
          const changed = Buffer.from(section);
          changed[at % changed.length] = byte;
          for (const bytes of [changed, section.subarray(0, at % section.length)]) {
            try {
              vectorOf(decodeBlock(bytes, 64, kind));
            } catch (error) {
              if (!isFault(error, 'corrupt')) throw error;
            }
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
