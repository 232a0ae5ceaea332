import { addDynamicColumn, evolve } from '@tidemark/model/evolve';
import { parseKeyspaceFile } from '@tidemark/model/keyspace-file';
import { type Table, tableNamed } from '@tidemark/model/table';
import { type Fault, isFault } from '@tidemark/platform/fault';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addJsonRow, keyFromSegments, rowToJson } from './json-rows.ts';
import { decodeKey, partitionKeyLength } from './key.ts';
import { RowBatch } from './row-batch.ts';
import { NewColumns } from './row-writer.ts';

function tableOf(columns: Record<string, string>, sortKey: string[] = [], max = 0): Table {
  const [partitionKey] = Object.keys(columns);
  const dynamicColumns = max === 0 ? null : { max };
  const tables = { flights: { columns, partitionKey, sortKey, dynamicColumns } };
  const file = { keyspace: 'travel', primary: 'paris', ack: 'local', sites: { paris: 'data' }, tables };
  return tableNamed(evolve(null, parseKeyspaceFile(file)).keyspace, 'flights');
}
const FLIGHTS = { origin: 'string', date: 'timestamp', line: 'int', delay: 'int', seat: 'string', raw: 'bytes' };
const flights = tableOf(FLIGHTS, ['date', 'line']);
const open = tableOf(FLIGHTS, ['date', 'line'], 3);
const KEY = { origin: 'SAN', date: '2001-01-10T18:20:00Z', line: 1 };

function thrown(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  return null;
}
function refusal(table: Table, row: unknown): Fault {
  const batch = new RowBatch();
  const fault = thrown(() => addJsonRow(table, row, batch));
  if (!isFault(fault, 'invalid')) throw new Error('no fault', { cause: fault });
  expect(batch.rowCount).toBe(0);
  return fault;
}
/** A batch as far as anyone can tell. */
const shownBatch = (table: Table, batch: RowBatch): unknown[] =>
  Array.from({ length: batch.rowCount }, (_, row) => [rowToJson(table, batch, row), batch.partitionKeyLengths[row]]);

const cell = {
  origin: fc.string({ unit: 'binary', maxLength: 5 }),
  date: fc.constantFrom('2001-01-10T18:20:00Z', '1969-12-31T23:59:59.999999Z'),
  line: fc.integer({ min: -2, max: 2 }),
  delay: fc.option(fc.integer()),
  seat: fc.option(fc.string({ unit: 'binary', maxLength: 40 })),
  raw: fc.option(fc.uint8Array({ maxLength: 40 }).map((b) => ({ $bytes: Buffer.from(b).toString('base64') }))),
};
const goodRow = fc.record(cell, { requiredKeys: ['origin', 'date', 'line'] });
const deletion = fc.record({ $delete: fc.constant(true), origin: cell.origin, date: cell.date, line: cell.line });
const badCell = fc.constantFrom(
  { delay: 'late' },
  { delay: 1.5 },
  { seat: '\ud800' },
  { seat: 'x'.repeat(300_000) },
  { raw: 7 },
  { origin: null },
  { line: undefined },
  { nobody: 1 },
  { $delete: 'yes' },
);
const badRow = fc.tuple(goodRow, badCell).map(([row, bad]) => ({ ...row, ...bad }));

describe('JSON rows', () => {
  it('come back from the batch as they went in', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(goodRow, deletion), { maxLength: 150 }), (rows) => {
        const batch = new RowBatch();
        for (const row of rows) addJsonRow(flights, row, batch);
        expect(rows.map((_, i) => rowToJson(flights, batch, i))).toEqual(rows);
      }),
      { numRuns: 50 },
    );
  });

  it('that are refused leave the batch as if they had never been offered, also a batch that is used again', () => {
    const batch = new RowBatch();
    const offered = fc.oneof(
      goodRow.map((row) => ({ row, good: true })),
      badRow.map((row) => ({ row, good: false })),
    );
    fc.assert(
      fc.property(fc.array(offered, { maxLength: 20 }), (rows) => {
        const expected = new RowBatch();
        batch.clear();
        for (const { row, good } of rows) {
          const fault = thrown(() => addJsonRow(flights, row, batch));
          expect(fault === null).toBe(good);
          if (good) addJsonRow(flights, row, expected);
        }
        batch.seal();
        expect(shownBatch(flights, batch)).toEqual(shownBatch(flights, expected));
        expect(batch.keys.arenaUsed).toBe(expected.keys.arenaUsed);
        for (const [id, vector] of batch.columns) {
          expect(vector.arenaUsed).toBe(expected.columns.get(id)?.arenaUsed ?? 0);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('keep letters of one, two, three and four bytes, in short texts and in long ones', () => {
    for (const seat of ['A', 'é', 'ÿ', '列', '😀', 'é'.repeat(30)]) {
      const batch = new RowBatch();
      addJsonRow(flights, { ...KEY, origin: seat, seat }, batch);
      expect(rowToJson(flights, batch, 0)).toEqual({ ...KEY, origin: seat, seat });
    }
  });

  it('know the bytes of their partition key', () => {
    fc.assert(
      fc.property(goodRow, (row) => {
        const batch = new RowBatch();
        addJsonRow(flights, row, batch);
        expect(batch.partitionKeyLengths[0]).toBe(partitionKeyLength(flights, batch.keys.bytesAt(0)));
      }),
    );
  });

  it.each([
    ['no object', 5, /table flights: got 5, expected a row/],
    ['an array', [], /got \[\], expected a row/],
    ['null', null, /got null, expected a row/],
    ['a missing key part', { origin: 'SAN', line: 1 }, /column date: got nothing, expected a value.*part of the key/],
    ['a null in the key', { ...KEY, line: null }, /column line: got null, expected a value/],
    ['a wrong type in the key', { ...KEY, line: 'one' }, /column line: got "one", expected int/],
    ['half a character in the key', { ...KEY, origin: 'x\ud800' }, /column origin: got .*, expected string/],
    ['a wrong type', { ...KEY, delay: 'late' }, /table flights, column delay: got "late", expected int/],
    ['an unknown column', { ...KEY, dely: 1 }, /no column "dely" \(nearest: delay\)/],
    ['an unknown $word', { ...KEY, $remove: true }, /no column "\$remove"/],
    ['a $delete that is neither', { ...KEY, $delete: 1 }, /column \$delete: got 1, expected true or false/],
    ['a cell in a deleted row', { ...KEY, $delete: true, delay: 1 }, /column delay: got 1, expected only the key/],
    ['an own __proto__', JSON.parse(`${JSON.stringify(KEY).slice(0, -1)},"__proto__":{"delay":1}}`), /"__proto__"/],
  ])('refuse %s', (_, row, message) => {
    expect(refusal(flights, row).message).toMatch(message);
  });

  it('name table, column, got and expected in the fault', () => {
    expect(refusal(flights, { ...KEY, delay: 'late' }).details).toMatchObject({
      table: 'flights',
      column: 'delay',
      got: '"late"',
    });
  });

  it('are refused one byte beyond each limit, with both numbers, and taken at it', () => {
    const wide = tableOf({ id: 'string', a: 'string', b: 'bytes', c: 'string' });
    const take = (row: unknown): void => addJsonRow(wide, row, new RowBatch());
    take({ id: 'k'.repeat(1022) });
    expect(refusal(wide, { id: 'k'.repeat(1023) }).message).toMatch(/the key takes 1025 bytes, at most 1024/);
    expect(refusal(wide, { id: '\0'.repeat(600) }).message).toMatch(/the key takes 1202 bytes, at most 1024/);
    expect(refusal(wide, { id: 'k'.repeat(5_000_000) }).message).toMatch(/the key takes 5000002 bytes/);
    take({ id: 'k', a: 'é'.repeat(131_072) });
    expect(refusal(wide, { id: 'k', a: `${'é'.repeat(131_072)}x` }).message).toMatch(
      /takes 262145 bytes, at most 262144/,
    );
    const bytes = (length: number): unknown => ({ $bytes: Buffer.alloc(length).toString('base64') });
    take({ id: 'k', b: bytes(262_144) });
    expect(refusal(wide, { id: 'k', b: bytes(262_145) }).message).toMatch(/takes 262145 bytes, at most 262144/);
    const row = (last: number): unknown => ({
      id: 'k',
      a: 'x'.repeat(262_144),
      b: bytes(262_000),
      c: 'x'.repeat(last),
    });
    take(row(141));
    expect(refusal(wide, row(142)).message).toMatch(/524289 bytes in a row, at most 524288/);
  });

  it('have at most 4,096 columns', () => {
    const columns = Object.fromEntries(Array.from({ length: 4096 }, (_, i) => [`c${i}`, 'int']));
    const row = Object.fromEntries(Object.keys(columns).map((name) => [name, 1]));
    addJsonRow(tableOf(columns), row, new RowBatch());
    const wide = tableOf(columns, [], 5);
    expect(refusal(wide, { ...row, more: 1 }).message).toMatch(/4097 columns in a row, at most 4096/);
  });

  it('ask for the columns that have to be there first, and are taken once they are', () => {
    const row = { ...KEY, gate: 'B7', late: true, cost: 1.5, none: null };
    const batch = new RowBatch();
    const wanted = thrown(() => addJsonRow(open, row, batch));
    expect(wanted).toBeInstanceOf(NewColumns);
    expect(batch.rowCount).toBe(0);
    const { columns } = wanted as NewColumns;
    expect(columns.map((c) => [c.name, c.type.name])).toEqual([
      ['gate', 'string'],
      ['late', 'boolean'],
      ['cost', 'double'],
    ]);
    const file = { columns: FLIGHTS, partitionKey: 'origin', sortKey: ['date', 'line'], dynamicColumns: { max: 3 } };
    const keyspace = evolve(
      null,
      parseKeyspaceFile({ keyspace: 'k', primary: 'p', ack: 'local', sites: { p: 'data' }, tables: { flights: file } }),
    ).keyspace;
    const grown = columns.reduce((k, c) => addDynamicColumn(k, 'flights', c.name, c.type), keyspace);
    const table = tableNamed(grown, 'flights');
    addJsonRow(table, { ...row, none: undefined }, batch);
    expect(rowToJson(table, batch, 0)).toEqual({ ...KEY, gate: 'B7', late: true, cost: 1.5 });
  });

  it.each([
    ['one column too many', { a: 1, b: 1, c: 1, d: 1 }, /column "d" would be dynamic column 4, at most 3/],
    ['a list', { gate: [1] }, /column gate: got \[1\], expected a boolean, a number/],
    ['an object', { gate: {} }, /column gate: got \{\}, expected a boolean, a number/],
    ['a bad name', { $gate: 1 }, /"\$gate".*does not begin with/],
    ['half a character', { gate: '\ud800' }, /column gate: got/],
    ['a wrong cell beside a new column', { gate: 1, delay: 'x' }, /column delay/],
  ])('make no new column of %s', (_, fields, message) => {
    expect(refusal(open, { ...KEY, ...fields }).message).toMatch(message);
  });

  it('are at most 65,536 in a batch', () => {
    const batch = new RowBatch();
    const table = tableOf({ id: 'int' });
    for (let id = 0; id < 65_536; id++) addJsonRow(table, { id }, batch);
    expect(() => addJsonRow(table, { id: 0 }, batch)).toThrow(/65537 rows in a batch, at most 65536/);
    expect(batch.rowCount).toBe(65_536);
  });
});

describe('key segments', () => {
  it('make the key that the row has, and fewer of them a prefix of it', () => {
    const batch = new RowBatch();
    addJsonRow(flights, KEY, batch);
    const key = batch.keys.bytesAt(0);
    const segments = ['SAN', '2001-01-10T18:20Z', '1'];
    expect(keyFromSegments(flights, segments)).toEqual(Buffer.from(key));
    for (let parts = 0; parts < 3; parts++) {
      const prefix = keyFromSegments(flights, segments.slice(0, parts));
      expect(key.subarray(0, prefix.length)).toEqual(prefix);
    }
    expect(decodeKey(flights, key)).toEqual(['SAN', 979_150_800_000_000, 1]);
  });

  it('are refused when there are too many, or one is no value of its column', () => {
    expect(() => keyFromSegments(flights, ['a', 'b', 'c', 'd'])).toThrow(
      /got 4 key parts, expected at most 3: origin, date/,
    );
    expect(() => keyFromSegments(flights, ['SAN', 'yesterday'])).toThrow(/column date: got "yesterday"/);
    expect(() => keyFromSegments(flights, ['x'.repeat(2000)])).toThrow(/key takes 2002 bytes, at most 1024/);
  });
});

describe('a batch that grows', () => {
  const growing = tableOf({ a: 'string', b: 'string', c: 'int' }, ['b', 'c']);

  it('keeps every key whole, wherever in a key its room runs out', () => {
    for (let length = 0; length < 40; length++) {
      const batch = new RowBatch();
      const keys = Array.from({ length: 200 }, (_, i) => `${'k'.repeat(length)}${i}`);
      for (const key of keys) addJsonRow(growing, { a: key, b: `${key}b`, c: 7 }, batch);
      keys.forEach((key, row) => {
        expect(rowToJson(growing, batch, row)).toEqual({ a: key, b: `${key}b`, c: 7 });
      });
    }
  });
});
