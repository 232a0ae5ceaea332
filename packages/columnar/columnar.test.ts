import { type ColumnType, parseColumnType, type Value } from '@tidemark/model/column-type';
import { evolve } from '@tidemark/model/evolve';
import { parseKeyspaceFile } from '@tidemark/model/keyspace-file';
import { type Table, tableNamed } from '@tidemark/model/table';
import { TIMESTAMP_US_MAX } from '@tidemark/model/text/time';
import { isFault } from '@tidemark/platform/fault';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addColumnar } from './columnar.ts';
import { encodeColumnarRows, type ValueRow } from './columnar-write.ts';
import { addJsonRow, type JsonRow, rowToJson } from './json-rows.ts';
import { RowBatch } from './row-batch.ts';
import { NewColumns } from './row-writer.ts';

const COLUMNS = {
  origin: 'string',
  day: 'date',
  line: 'int',
  delay: 'long',
  at: 'timestamp',
  price: 'decimal(5,2)',
  seat: 'string',
  raw: 'bytes',
  load: 'double',
  full: 'boolean',
};
function tableOf(max: number): Table {
  const flights = { columns: COLUMNS, partitionKey: 'origin', sortKey: ['day', 'line'], dynamicColumns: null };
  const tables = { flights: max === 0 ? flights : { ...flights, dynamicColumns: { max } } };
  const file = { keyspace: 'travel', primary: 'paris', ack: 'local', sites: { paris: 'data' }, tables };
  return tableNamed(evolve(null, parseKeyspaceFile(file)).keyspace, 'flights');
}
const flights = tableOf(0);
const open = tableOf(2);
const TYPES = new Map<string, ColumnType>(Object.entries(COLUMNS).map(([name, type]) => [name, parseColumnType(type)]));
const typesWith = (more: Record<string, string>): Map<string, ColumnType> =>
  new Map([...TYPES, ...Object.entries(more).map(([n, t]): [string, ColumnType] => [n, parseColumnType(t)])]);

const cells = {
  origin: fc.string({ unit: 'binary', maxLength: 4 }),
  day: fc.integer({ min: -3, max: 3 }),
  line: fc.integer(),
  delay: fc.option(fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n })),
  at: fc.option(fc.integer({ min: -TIMESTAMP_US_MAX, max: TIMESTAMP_US_MAX })),
  price: fc.option(fc.bigInt({ min: -99_999n, max: 99_999n })),
  seat: fc.option(fc.string({ unit: 'binary', maxLength: 30 })),
  raw: fc.option(fc.uint8Array({ maxLength: 30 })),
  load: fc.option(fc.double()),
  full: fc.option(fc.boolean()),
};
const putRow: fc.Arbitrary<ValueRow> = fc.record(cells, { requiredKeys: ['origin', 'day', 'line'] });
const { origin, day, line } = cells;
const deletion: fc.Arbitrary<ValueRow> = fc.record({ $delete: fc.constant(true), origin, day, line });
const someRows = fc.array(fc.oneof(putRow, deletion), { minLength: 1, maxLength: 70 });

function rowsOf(batch: RowBatch): JsonRow[] {
  return Array.from({ length: batch.rowCount }, (_, row) => rowToJson(flights, batch, row));
}
function taken(...requests: Buffer[]): RowBatch {
  const batch = new RowBatch();
  for (const request of requests) addColumnar(flights, request, batch);
  return batch;
}
function refusal(table: Table, bytes: Uint8Array): string {
  const batch = new RowBatch();
  addJsonRow(flights, { origin: 'first', day: '2001-01-10', line: 0, seat: '1A' }, batch);
  const before = rowsOf(batch);
  try {
    addColumnar(table, bytes, batch);
  } catch (error) {
    if (!isFault(error, 'invalid')) throw error;
    expect(rowsOf(batch)).toEqual(before);
    for (const vector of batch.columns.values())
      expect([...vector.presence.subarray(1)].every((p) => p === 0)).toBe(true);
    return error.message;
  }
  return 'no fault';
}
const row = (more: Record<string, Value | null> = {}): ValueRow => ({ origin: 'SAN', day: 1, line: 2, ...more });
/** A request with its header changed. */
function reheaded(change: (header: { rowCount: number; columns: Record<string, unknown>[] }) => void): Buffer {
  const bytes = encodeColumnarRows(TYPES, [row({ seat: 'A' })]);
  const end = 4 + bytes.readUInt32LE(0);
  const header = JSON.parse(bytes.toString('utf8', 4, end)) as Parameters<typeof change>[0];
  change(header);
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(text.length);
  return Buffer.concat([length, text, bytes.subarray(end)]);
}

describe('columnar rows', () => {
  it('are the rows that JSON would have brought', () => {
    fc.assert(
      fc.property(someRows, (rows) => {
        const batch = taken(encodeColumnarRows(TYPES, rows));
        const expected = new RowBatch();
        for (const json of rowsOf(batch)) addJsonRow(flights, json, expected);
        expect(rowsOf(batch)).toEqual(rowsOf(expected));
        expect(batch.partitionKeyLengths.subarray(0, rows.length)).toEqual(
          expected.partitionKeyLengths.subarray(0, rows.length),
        );
        rows.forEach((sent, i) => {
          const json = rowsOf(batch)[i]!;
          expect(Object.keys(json).sort()).toEqual(Object.keys(sent).sort());
          expect([json.origin, json.seat]).toEqual([sent.origin, sent.seat]);
          expect(json.delay).toEqual(sent.delay == null ? sent.delay : expect.anything());
        });
      }),
      { numRuns: 60 },
    );
  });

  it('go behind what the batch has already', () => {
    fc.assert(
      fc.property(someRows, someRows, (first, second) => {
        const [a, b] = [encodeColumnarRows(TYPES, first), encodeColumnarRows(TYPES, second)];
        expect(rowsOf(taken(a, b))).toEqual([...rowsOf(taken(a)), ...rowsOf(taken(b))]);
      }),
      { numRuns: 30 },
    );
  });

  it('are refused whole, with an `invalid` fault, whatever bytes are changed or missing, or are still right rows', () => {
    const bytes = encodeColumnarRows(TYPES, [row({ seat: 'A', at: 5 }), row({ raw: Buffer.from('xy'), full: true })]);
    for (let length = 0; length < bytes.length; length++) {
      expect(refusal(flights, bytes.subarray(0, length)), `${length} bytes`).not.toBe('no fault');
    }
    const change = fc.record({ at: fc.nat(bytes.length - 1), to: fc.nat(255) });
    fc.assert(
      fc.property(change, ({ at, to }) => {
        const changed = Buffer.from(bytes);
        changed[at] = to;
        let batch: RowBatch;
        try {
          batch = taken(changed);
        } catch (error) {
          expect(isFault(error, 'invalid')).toBe(true);
          return;
        }
        const again = new RowBatch();
        for (const json of rowsOf(batch)) addJsonRow(flights, json, again);
      }),
      { numRuns: 3000 },
    );
  });

  it.each([
    ['a missing key column', [{ origin: 'SAN', line: 2 }], {}, /column day: key column is missing/],
    ['a missing key part', [row(), { origin: 'SAN', day: 1 }], {}, /column line: row 1 is wrong: got nothing/],
    ['a null in the key', [{ ...row(), day: null }], {}, /column day: row 0 is wrong: got nothing/],
    ['an unknown column', [row({ dely: 1 })], { dely: 'int' }, /no column "dely" \(nearest: delay\)/],
    ['another type', [row({ seat: 1 })], { seat: 'int' }, /column seat: .*got int, expected string/],
    ['another scale', [row({ price: 1n })], { price: 'decimal(5,1)' }, /got decimal\(5,1\), expected decimal\(5,2\)/],
    ['too many digits', [row({ price: 100_000n })], {}, /column price: row 0 .*expected decimal\(5,2\)/],
    ['a day beyond the years', [row({ day: 2_932_897 })], {}, /column day: row 0/],
    ['a cell in a deleted row', [row({ $delete: true, seat: 'A' })], {}, /column seat: row 0 .*only the key/],
    ['too long a cell', [row({ seat: 'x'.repeat(262_145) })], {}, /got 262145 bytes, expected at most 262144/],
    ['too long a key', [{ ...row(), origin: 'x'.repeat(1023) }], {}, /the key takes 10\d\d bytes, at most 1024/],
    ['a $delete that is a number', [row({ $delete: 1 })], { $delete: 'int' }, /\$delete: .*got int, expected boolean/],
  ] as [string, ValueRow[], Record<string, string>, RegExp][])('refuse %s', (_, rows, types, message) => {
    const { $delete, ...rest } = types;
    const all = typesWith(rest);
    const bytes =
      $delete === undefined
        ? encodeColumnarRows(all, rows)
        : reheaded((h) => h.columns.push({ name: '$delete', type: $delete, bytes: 2 }));
    const sized = $delete === undefined ? bytes : Buffer.concat([bytes, Buffer.from([0, 1])]);
    expect(refusal(flights, sized)).toMatch(message);
  });

  it.each([
    ['no row', (h: { rowCount: number }) => Object.assign(h, { rowCount: 0 }), /header cannot be read/],
    ['too many rows', (h: { rowCount: number }) => Object.assign(h, { rowCount: 65_537 }), /header cannot be read/],
    ['an unknown word', (h: object) => Object.assign(h, { compression: 'zip' }), /header cannot be read.*compression/],
    ['lengths that do not add up', (h: { columns: { bytes: number }[] }) => h.columns[0]!.bytes++, /body ends where/],
    ['no type', (h: { columns: { type: string }[] }) => Object.assign(h.columns[0]!, { type: 'text' }), /type "text"/],
    [
      'a column twice',
      (h: { columns: { name: string }[] }) => Object.assign(h.columns[1]!, { name: 'origin' }),
      /twice/,
    ],
  ] as [string, (header: object) => unknown, RegExp][])('refuse a header with %s', (_, change, message) => {
    expect(refusal(flights, reheaded(change))).toMatch(message);
  });

  it('refuse what unfolds to too much', () => {
    const rows = Array.from({ length: 400 }, () => row({ seat: 'x'.repeat(200_000) }));
    const bytes = encodeColumnarRows(TYPES, rows);
    expect(bytes.length).toBeLessThan(300_000);
    expect(refusal(flights, bytes)).toMatch(/\d+ bytes in a columnar batch, at most 67108864/);
    const wide = row({ seat: 'x'.repeat(262_144), raw: Buffer.alloc(262_144) });
    expect(refusal(flights, encodeColumnarRows(TYPES, [wide]))).toMatch(/52\d+ bytes in a row, at most 524288/);
  });

  it('refuse more cells than a few bytes may stand for', () => {
    const many = reheaded((header) => {
      header.rowCount = 65_536;
      for (let i = 0; i < 70; i++) header.columns.push({ name: `c${i}`, type: 'int', bytes: 11 });
    });
    expect(refusal(flights, many)).toMatch(/\d+ cells in a columnar batch, at most 4194304/);
  });

  it('refuse a body that goes on behind its columns', () => {
    const bytes = encodeColumnarRows(TYPES, [row()]);
    expect(refusal(flights, Buffer.concat([bytes, Buffer.alloc(1)]))).toMatch(/body ends where its columns do not/);
  });

  it('refuse a boolean that is neither', () => {
    const bytes = encodeColumnarRows(TYPES, [row({ full: true })]);
    bytes[bytes.length - 1] = 7;
    expect(refusal(flights, bytes)).toMatch(/column full: row 0 is wrong/);
  });

  it('refuse NaN in a key, and take it in a cell', () => {
    const tables = { t: { columns: { k: 'double', v: 'double' }, partitionKey: 'k' } };
    const file = { keyspace: 'x', primary: 'p', ack: 'local', sites: { p: 'data' }, tables };
    const table = tableNamed(evolve(null, parseKeyspaceFile(file)).keyspace, 't');
    const bytesOf = (k: number, v: number): Buffer =>
      encodeColumnarRows(new Map([...'kv'].map((name): [string, ColumnType] => [name, { name: 'double' }])), [
        { k, v },
      ]);
    addColumnar(table, bytesOf(1, Number.NaN), new RowBatch());
    expect(() => addColumnar(table, bytesOf(Number.NaN, 1), new RowBatch())).toThrow(/column k: row 0 is wrong/);
  });

  it('refuse text that is not UTF-8', () => {
    const bytes = encodeColumnarRows(typesWith({ seat: 'bytes' }), [row({ seat: Buffer.from([0xc3, 0x28]) })]);
    const text = bytes.toString('latin1').replace('"seat","type":"bytes"', '"seat","type":"string"');
    const fixed = Buffer.from(text, 'latin1');
    fixed.writeUInt32LE(fixed.readUInt32LE(0) + 1);
    expect(refusal(flights, fixed)).toMatch(/column seat: row 0 is wrong: .*expected string/);
  });

  it('take an int where the column has become long', () => {
    const rows = [-2_147_483_648, 0, 2_147_483_647].map((delay) => row({ delay }));
    expect(rowsOf(taken(encodeColumnarRows(typesWith({ delay: 'int' }), rows))).map((r) => r.delay)).toEqual([
      -2_147_483_648, 0, 2_147_483_647,
    ]);
  });

  it('ask for the columns that have to be there first', () => {
    const bytes = encodeColumnarRows(typesWith({ gate: 'string', late: 'long' }), [row({ gate: 'B7', late: 1n })]);
    expect(() => addColumnar(open, bytes, new RowBatch())).toThrow(NewColumns);
    const three = typesWith({ a: 'double', b: 'double', c: 'double' });
    expect(refusal(open, encodeColumnarRows(three, [row({ a: 1, b: 1, c: 1 })]))).toMatch(/column 3, at most 2/);
    expect(refusal(open, encodeColumnarRows(typesWith({ a: 'int' }), [row({ a: 1 })]))).toMatch(/column a: .*got int/);
  });
});
