import { addJsonRow, type JsonRow, rowToJson } from '@tidemark/columnar/json-rows';
import { RowBatch } from '@tidemark/columnar/row-batch';
import { addDynamicColumns, evolve } from '@tidemark/model/evolve';
import { formatKeyspaceFile, parseKeyspaceFile } from '@tidemark/model/keyspace-file';
import { type Keyspace, type Table, tableNamed } from '@tidemark/model/table';
import { isFault } from '@tidemark/platform/fault';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MutateBody } from './envelope.ts';
import { decodeMutate, encodeMutate } from './mutate.ts';

const COLUMNS = { origin: 'string', line: 'int', delay: 'int', seat: 'string', full: 'boolean' };
const tables = { flights: { columns: COLUMNS, partitionKey: 'origin', sortKey: ['line'] } };
const file = { keyspace: 'travel', primary: 'paris', ack: 'local', sites: { paris: 'data' }, tables };
const keyspace = evolve(null, parseKeyspaceFile(file)).keyspace;
const flights = tableNamed(keyspace, 'flights');
const HEAD = { table: 1, schemaVersion: 1, requestId: 'r/0', source: null };

const cells = {
  origin: fc.constantFrom('SAN', 'LAX'),
  line: fc.integer({ min: 0, max: 3 }),
  delay: fc.option(fc.integer()),
  seat: fc.option(fc.string({ maxLength: 4 })),
  full: fc.option(fc.boolean()),
};
const row = fc.oneof(
  fc.record(cells, { requiredKeys: ['origin', 'line'] }),
  fc.record({ $delete: fc.constant(true), origin: cells.origin, line: cells.line }),
);

function batchOf(rows: readonly unknown[]): RowBatch {
  const batch = new RowBatch();
  for (const r of rows) addJsonRow(flights, r, batch);
  batch.seal();
  return batch;
}
function encoded(rows: readonly unknown[]): MutateBody {
  return encodeMutate(
    HEAD,
    batchOf(rows),
    Uint32Array.from(rows, (_, i) => i),
    0,
    rows.length,
  );
}
function decoded(body: MutateBody, table: Table = flights, into = new RowBatch()): JsonRow[] {
  decodeMutate(body, table, into);
  return Array.from({ length: into.rowCount }, (_, i) => rowToJson(table, into, i));
}
function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at]! ^= 8;
  return copy;
}
/** The table, grown by so many columns. */
function tableOf(dynamic: number, type: 'double' | 'int'): Table {
  const columns = Array.from({ length: dynamic }, (_, n) => ({ name: `d${n}`, type: { name: type } }));
  const open = { ...flights, dynamicColumnsMax: dynamic };
  return addDynamicColumns({ ...keyspace, tables: [open] }, 'flights', columns).tables[0]!;
}
/** The table after its file was changed. */
function changed(columns: Record<string, unknown>): Table {
  const shown = formatKeyspaceFile(keyspace);
  const { origin, line } = COLUMNS;
  const tables = { flights: { ...shown.tables.flights, columns: { origin, line, ...columns } } };
  const next: Keyspace = evolve(keyspace, parseKeyspaceFile({ ...shown, tables })).keyspace;
  return tableNamed(next, 'flights');
}

describe('mutate body', () => {
  it('carries the rows picked, in their order, into a batch that is used again and again', () => {
    const into = new RowBatch();
    fc.assert(
      fc.property(
        fc.array(row, { minLength: 1, maxLength: 80 }),
        fc.array(fc.nat(), { maxLength: 80 }),
        (rows, picks) => {
          const picked = Uint32Array.from(picks, (pick) => pick % rows.length);
          const from = Math.min(2, picked.length);
          const body = encodeMutate(HEAD, batchOf(rows), picked, from, picked.length);
          expect(body.rowCount).toBe(picked.length - from);
          expect(decoded(body, flights, into)).toEqual([...picked.subarray(from)].map((i) => rows[i]));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('has no column that none of its rows touches, and no flags when all are upserts', () => {
    const body = encoded([{ origin: 'SAN', line: 1, delay: 5 }]);
    expect(body.columns.map((c) => c.column)).toEqual([3]);
    expect(body.flags).toHaveLength(0);
    expect(encoded([{ origin: 'SAN', line: 1, $delete: true }]).flags).toHaveLength(1);
  });

  it('gives row i the stamp i ticks on, or the one it says', () => {
    const into = new RowBatch();
    const body = encoded([
      { origin: 'SAN', line: 1 },
      { origin: 'SAN', line: 2 },
    ]);
    decodeMutate(body, flights, into);
    expect([...into.stampOffsets.subarray(0, 2)]).toEqual([0, 1]);
    decodeMutate({ ...body, stampOffsets: Buffer.from([7, 0, 0, 0, 0, 1, 0, 0]) }, flights, into);
    expect([...into.stampOffsets.subarray(0, 2)]).toEqual([7, 256]);
  });

  it('has the cells of many columns that few rows have row by row, by the cells that there are', () => {
    const count = 1_000;
    const rows = Array.from({ length: 200 }, (_, i) => ({
      ...{ origin: 'SAN', line: i, delay: i },
      ...Object.fromEntries(
        Array.from({ length: 5 }, (_, n) => [`d${(i * 7 + n * 131) % count}`, n === 4 ? null : i / 8]),
      ),
    }));
    const wide = tableOf(count, 'double');
    const batch = new RowBatch();
    for (const one of rows) addJsonRow(wide, one, batch);
    batch.seal();
    const all = Uint32Array.from(rows, (_, i) => i);
    const body = encodeMutate(HEAD, batch, all, 0, rows.length);
    expect(body.columns.map(({ column }) => column)).toEqual([3, 0]);
    // A column of its own would take 50 bytes for each of 1,000 columns to say which rows have a cell.
    expect(body.columns[1]!.cells.length).toBeLessThan(rows.length * 5 * 16);
    const into = new RowBatch();
    const sorted = (row: object): object => Object.fromEntries(Object.entries(row).sort());
    expect(decoded(body, wide, into).map(sorted)).toEqual(rows.map(sorted));
    // Some of them, in another order; and again in the same batch.
    const picked = Uint32Array.from({ length: 50 }, (_, i) => 199 - i * 3);
    const some = encodeMutate(HEAD, batch, picked, 10, 50);
    expect(decoded(some, wide, into).map(sorted)).toEqual([...picked.subarray(10)].map((i) => sorted(rows[i]!)));
    // A table without these columns knows nothing of their cells.
    expect(decoded(body, flights, into)).toEqual(rows.map(({ origin, line, delay }) => ({ origin, line, delay })));
    expect(into.few?.kinds.size).toBe(3);
  });

  it('refuses cells row by row whose lengths do not add up', () => {
    const wide = tableOf(100, 'int');
    const batch = new RowBatch();
    for (let i = 0; i < 100; i++) addJsonRow(wide, { origin: 'SAN', line: i, [`d${i}`]: i }, batch);
    batch.seal();
    const body = encodeMutate(
      HEAD,
      batch,
      Uint32Array.from({ length: 100 }, (_, i) => i),
      0,
      100,
    );
    const { cells } = body.columns.find(({ column }) => column === 0)!;
    const into = new RowBatch();
    const sections = Buffer.from(cells);
    const [first, second] = [sections.readUInt32LE(0), sections.readUInt32LE(4 + sections.readUInt32LE(0))];
    for (const [wrong, words] of [
      [sections.subarray(0, -1), /a section of \d+ bytes at \d+, expected/],
      [sections.subarray(0, 8 + first + second), /2 sections of row-by-row cells, expected 3/],
      [sections.subarray(0, 2), /expected 2/],
      [flipped(sections, 4 + first - 1), /frame width/],
    ] as const) {
      const columns = [{ column: 0, cells: wrong }];
      expect(() => decodeMutate({ ...body, columns }, wide, into)).toThrow(words);
    }
  });

  it('is read by a table that has dropped, widened or renamed columns since', () => {
    const body = encoded([{ origin: 'SAN', line: 1, delay: -7, seat: '1A', full: true }]);
    const table = changed({
      delay: 'long',
      seat: { dropped: true },
      booked: { type: 'boolean', renamedFrom: 'full' },
    });
    expect(table.columns.map((c) => [c.name, c.dropped])).toContainEqual(['seat', true]);
    expect(decoded(body, table)).toEqual([{ origin: 'SAN', line: 1, delay: -7, booked: true }]);
  });

  it.each([
    ['rows', { rowCount: -1 }, /-1 rows, expected 0 to 65536/],
    ['rows', { rowCount: 65_537 }, /65537 rows, expected 0 to 65536/],
    ['flags', { flags: Buffer.alloc(3) }, /3 flags, expected 1/],
    ['stamp offsets', { stampOffsets: Buffer.alloc(3) }, /3 stamp offset bytes, expected 4/],
    ['keys', { keys: Buffer.from([0]) }, /column bytes end at 1/],
    ['cells', { columns: [{ column: 3, cells: Buffer.from([0, 4]) }] }, /column/],
  ] as [string, Partial<MutateBody>, RegExp][])('is corrupt when its %s do not add up', (_, change, message) => {
    const body = { ...encoded([{ origin: 'SAN', line: 1, delay: 5 }]), ...change };
    let fault: unknown = null;
    try {
      decoded(body);
    } catch (error) {
      fault = error;
    }
    expect(isFault(fault, 'corrupt')).toBe(true);
    expect((fault as Error).message).toMatch(message);
  });
});
