import { isFault } from '@tidemark/world/fault';
import avro from 'avsc';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addDynamicColumn, evolve } from './evolve.ts';
import { fingerprint } from './fingerprint.ts';
import { IngestReader } from './ingest.ts';
import { ROW_MUTATION_SCHEMA, tableSchema } from './ingest-schema.ts';
import { type JsonRow, rowToJson } from './json-rows.ts';
import { parseKeyspaceFile } from './keyspace-file.ts';
import { NewColumns } from './row-writer.ts';
import { type Keyspace, tableNamed } from './table.ts';

const COLUMNS = {
  origin: 'string',
  date: 'timestamp',
  line: 'int',
  delay: 'int',
  big: 'long',
  load: 'double',
  day: 'date',
  price: 'decimal(9,2)',
  raw: 'bytes',
  full: 'boolean',
  'seat no': 'string',
};
function keyspaceOf(columns: Record<string, unknown> = COLUMNS): Keyspace {
  const flights = { columns, partitionKey: 'origin', sortKey: ['date', 'line'] };
  const events = { columns: { id: 'string' }, partitionKey: 'id', dynamicColumns: { max: 4 } };
  const file = {
    keyspace: 'travel',
    primary: 'paris',
    ack: 'local',
    sites: { paris: 'data' },
    tables: { flights, events },
  };
  return evolve(null, parseKeyspaceFile(file)).keyspace;
}
const keyspace = keyspaceOf();
const mutationType = avro.Type.forSchema(ROW_MUTATION_SCHEMA as unknown as avro.Schema, { wrapUnions: true });

const confluent = (id: number, payload: Uint8Array): Buffer => {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(id, 1);
  return Buffer.concat([head, payload]);
};
const single = (schema: object, payload: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([0xc3, 0x01]), fingerprint(schema), payload]);
type Branch = Record<string, unknown> | null;
type Mutation = { table?: string; op?: string; key?: Record<string, Branch>; cells?: Record<string, Branch> };
const payloadOf = (mutation: Mutation): Buffer =>
  mutationType.toBuffer({ table: 'flights', op: 'UPSERT', key: KEY, cells: {}, requestId: null, ...mutation });
const KEY = { origin: { string: 'SAN' }, date: { long: 979_150_800_000_000 }, line: { long: 1 } };
const JSON_KEY = { origin: 'SAN', date: '2001-01-10T18:20:00Z', line: 1 };

/** The row a record becomes. */
function rowOf(value: Uint8Array, reader = new IngestReader(keyspace)): JsonRow {
  const { table, batch, row } = reader.add(value);
  return rowToJson(table, batch, row);
}
function refusal(value: Uint8Array, reader = new IngestReader(keyspace)): string {
  const before = [...reader.batches.values()].map((batch) => batch.rowCount);
  try {
    reader.add(value);
  } catch (error) {
    if (!isFault(error, 'invalid')) throw error;
    const after = [...reader.batches.values()].map((batch) => batch.rowCount).filter((n) => n > 0);
    expect(after).toEqual(before.filter((n) => n > 0));
    return error.message;
  }
  return 'no fault';
}
/** A writer of some other schema, known to a registry under id 7. */
function foreign(fields: unknown[], value: object, more: object = {}): [Buffer, IngestReader] {
  const schema = { type: 'record', name: 'flights', fields, ...more };
  const bytes = avro.Type.forSchema(schema as avro.Schema, { wrapUnions: true }).toBuffer(value);
  return [confluent(7, bytes), new IngestReader(keyspace, (id) => (id === 7 ? schema : null))];
}
const KEY_FIELDS = [
  { name: 'origin', type: 'string' },
  { name: 'date', type: { type: 'long', logicalType: 'timestamp-micros' } },
  { name: 'line', type: 'int' },
];
const KEY_VALUES = { origin: 'SAN', date: 979_150_800_000_000, line: 1 };

describe('ingest of RowMutation', () => {
  it('reads it in both framings, whatever the schema id when there is no registry', () => {
    const payload = payloadOf({ cells: { delay: { long: 25 } } });
    const expected = { ...JSON_KEY, delay: 25 };
    expect(rowOf(single(ROW_MUTATION_SCHEMA, payload))).toEqual(expected);
    expect(rowOf(confluent(1, payload))).toEqual(expected);
    expect(rowOf(confluent(4_000_000_000, payload))).toEqual(expected);
  });

  it('takes each type in each form that is meant for it', () => {
    const cells = {
      delay: { double: 3 },
      big: { long: -5 },
      load: { long: 7 },
      day: { string: '2001-01-10' },
      price: { string: '12.5' },
      raw: { bytes: Buffer.from([1, 2]) },
      full: { boolean: true },
      'seat no': { string: '1A' },
    };
    const key = { ...KEY, date: { string: '2001-01-10T18:20Z' } };
    expect(rowOf(confluent(1, payloadOf({ key, cells })))).toEqual({
      ...JSON_KEY,
      delay: 3,
      big: -5,
      load: 7,
      day: '2001-01-10',
      price: '12.50',
      raw: { $bytes: 'AQI=' },
      full: true,
      'seat no': '1A',
    });
    expect(rowOf(confluent(1, payloadOf({ cells: { day: { long: 11_332 }, load: null } })))).toEqual({
      ...JSON_KEY,
      day: '2001-01-10',
      load: null,
    });
  });

  it('keeps all 64 bits of a long', () => {
    const bigints = avro.types.LongType.__with({
      fromBuffer: (b: Buffer) => b.readBigInt64LE(),
      toBuffer: (n: bigint) => {
        const b = Buffer.alloc(8);
        b.writeBigInt64LE(n);
        return b;
      },
      fromJSON: BigInt,
      toJSON: Number,
      isValid: (n: unknown) => typeof n === 'bigint',
      compare: (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0),
    });
    const type = avro.Type.forSchema(ROW_MUTATION_SCHEMA as unknown as avro.Schema, {
      wrapUnions: true,
      registry: { long: bigints },
    });
    const key = { ...KEY, date: { long: 979_150_800_000_000n }, line: { long: 1n } };
    fc.assert(
      fc.property(fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }), (big) => {
        const mutation = { table: 'flights', op: 'UPSERT', key, cells: { big: { long: big } }, requestId: null };
        expect(BigInt(rowOf(confluent(1, type.toBuffer(mutation))).big as string)).toBe(big);
      }),
    );
  });

  it('deletes rows, and tells the request id', () => {
    expect(rowOf(confluent(1, payloadOf({ op: 'DELETE' })))).toEqual({ $delete: true, ...JSON_KEY });
    const value = mutationType.toBuffer({
      table: 'flights',
      key: KEY,
      requestId: { string: 'r-1' },
      op: 'UPSERT',
      cells: {},
    });
    expect(new IngestReader(keyspace).add(confluent(1, value)).requestId).toBe('r-1');
  });

  it.each([
    ['a table nobody has', { table: 'flihgts' }, /no table "flihgts"; it has flights/],
    ['a missing key part', { key: { origin: { string: 'SAN' } } }, /column date: got nothing, expected a value/],
    [
      'a cell in the key',
      { key: { ...KEY, delay: { long: 1 } } },
      /column delay: got it in "key", expected origin, date/,
    ],
    ['a key part in the cells', { cells: { line: { long: 1 } } }, /column line: got it in "cells"/],
    ['an unknown column', { cells: { dely: { long: 1 } } }, /no column "dely" \(nearest: delay\)/],
    ['$delete smuggled in', { cells: { $delete: { boolean: true } } }, /no column "\$delete"/],
    ['too large an int', { cells: { delay: { long: 2_147_483_648 } } }, /column delay: got 2147483648, expected int/],
    ['half an int', { cells: { delay: { double: 1.5 } } }, /column delay: got 1.5, expected int/],
    ['a text for a number', { cells: { delay: { string: '1' } } }, /column delay: got "1", expected int/],
    ['a moment that never was', { cells: { day: { string: '2001-02-30' } } }, /column day: got "2001-02-30"/],
    [
      'a price of three digits',
      { cells: { price: { string: '1.234' } } },
      /column price: got "1.234", expected decimal/,
    ],
    ['a price in binary', { cells: { price: { double: 1.5 } } }, /column price: got 1.5/],
    [
      'a cell in a deleted row',
      { op: 'DELETE', cells: { delay: { long: 1 } } },
      /column delay: got 1, expected only the key/,
    ],
    ['too long a cell', { cells: { raw: { bytes: Buffer.alloc(262_145) } } }, /takes 262145 bytes, at most 262144/],
  ] as [string, Mutation, RegExp][])('refuses %s', (_, mutation, message) => {
    expect(refusal(single(ROW_MUTATION_SCHEMA, payloadOf(mutation)))).toMatch(message);
  });

  it('refuses a record cut short anywhere, or followed by anything', () => {
    const whole = single(ROW_MUTATION_SCHEMA, payloadOf({ cells: { raw: { bytes: Buffer.from('xyz') } } }));
    const reader = new IngestReader(keyspace);
    for (let length = 0; length < whole.length; length++) {
      expect(refusal(whole.subarray(0, length), reader), `${length} bytes`).toMatch(/^ingest record of \d+ bytes/);
    }
    expect(refusal(Buffer.concat([whole, Buffer.alloc(1)]), reader)).toMatch(/1 bytes follow after the record/);
    expect(reader.batches.size).toBe(0);
  });

  it('ends at once and with an `invalid` fault whatever bytes come', () => {
    const reader = new IngestReader(keyspace);
    const whole = payloadOf({ cells: { raw: { bytes: Buffer.from('xyz') }, delay: { long: 1 } } });
    const change = fc.record({
      at: fc.nat(whole.length - 1),
      bytes: fc.uint8Array({ maxLength: 12 }),
      cut: fc.nat(12),
    });
    fc.assert(
      fc.property(change, ({ at, bytes, cut }) => {
        const payload = Buffer.concat([whole.subarray(0, at), bytes, whole.subarray(at + cut)]);
        for (const batch of reader.batches.values()) batch.clear();
        try {
          rowOf(confluent(1, payload), reader);
        } catch (error) {
          expect(isFault(error, 'invalid') || error instanceof NewColumns).toBe(true);
        }
      }),
      { numRuns: 3000 },
    );
  });

  it.each([
    ['2^62 map entries', '0e666c69676874730080808080808080808001', /cut short: byte \d+ of \d+ begins a /],
    ['2^62 map entries by size', '0e666c6967687473008180808080808080800102', /cut short/],
    ['a text of 2^40 bytes', '808080808040', /cut short: byte 11 of 11 begins a string of 1099511627776 bytes/],
    ['a text of −1 bytes', '01', /a string of -1 bytes/],
    ['a long without end', 'ffffffffffffffffffffffff', /a long goes on after 10 bytes/],
    ['a long of 70 bits', 'ffffffffffffffffff7f', /a long has more than 64 bits/],
    ['text that is not UTF-8', '04c328', /a string of 2 bytes is not UTF-8/],
    ['a symbol that is none', '0e666c696768747304', /symbol 2 of 2/],
  ] as [string, string, RegExp][])('refuses %s', (_, hex, message) => {
    const text = refusal(confluent(3, Buffer.from(hex, 'hex')));
    expect(text).toMatch(/schema id 3 is not known here, so it was read as/);
    expect(text).toMatch(message);
  });

  it('makes columns by being written, each with the type of its branch', () => {
    const cells = { a: { long: 1 }, b: { double: 1 }, c: { string: 'x' }, d: { bytes: Buffer.from('x') } };
    const value = confluent(1, payloadOf({ table: 'events', key: { id: { string: 'e' } }, cells }));
    const reader = new IngestReader(keyspace);
    let wanted: NewColumns | null = null;
    try {
      reader.add(value);
    } catch (error) {
      wanted = error as NewColumns;
    }
    expect(wanted?.columns.map((c) => c.type.name)).toEqual(['long', 'double', 'string', 'bytes']);
    reader.learn(wanted!.columns.reduce((k, c) => addDynamicColumn(k, 'events', c.name, c.type), keyspace));
    expect(rowOf(value, reader)).toEqual({ id: 'e', a: 1, b: 1, c: 'x', d: { $bytes: 'eA==' } });
  });
});

describe('ingest of other schemas', () => {
  it('reads the record that a table prints, found by its fingerprint', () => {
    const schema = tableSchema(tableNamed(keyspace, 'flights'));
    const type = avro.Type.forSchema(schema as unknown as avro.Schema, { wrapUnions: true });
    const nothing = { big: null, load: null, day: null, raw: null, full: null, column_11: null };
    const price = { bytes: Buffer.from([0xfb, 0x2e]) };
    const payload = type.toBuffer({ ...KEY_VALUES, ...nothing, delay: { int: 9 }, price, day: { int: 11_332 } });
    expect(rowOf(single(schema, payload))).toMatchObject({
      ...JSON_KEY,
      delay: 9,
      price: '-12.34',
      day: '2001-01-10',
      load: null,
      'seat no': null,
    });
  });

  it('still knows the record of an earlier version of the table', () => {
    const schema = tableSchema(tableNamed(keyspace, 'flights'));
    const reader = new IngestReader(keyspace);
    reader.learn(keyspaceOf({ ...COLUMNS, gate: 'string' }));
    const type = avro.Type.forSchema({ ...schema, fields: schema.fields } as unknown as avro.Schema, {
      wrapUnions: true,
    });
    const rest = Object.fromEntries(schema.fields.slice(3).map((f) => [f.name, null]));
    expect(rowOf(single(schema, type.toBuffer({ ...KEY_VALUES, ...rest })), reader)).toMatchObject(JSON_KEY);
  });

  it("resolves a registry's schema by column names", () => {
    const millis = { type: 'long', logicalType: 'timestamp-millis' };
    const fields = [
      { name: 'line', type: 'long' },
      { name: 'date', type: ['null', millis] },
      { name: 'origin', type: { type: 'enum', name: 'Airport', symbols: ['LAX', 'SAN'] } },
      { name: 'place', column: 'seat no', type: ['null', 'string'] },
      { name: 'raw', type: { type: 'fixed', name: 'Two', size: 2 } },
      { name: 'price', type: { type: 'bytes', logicalType: 'decimal', precision: 9, scale: 1 } },
      { name: 'load', type: 'float' },
      { name: 'day', type: { type: 'int', logicalType: 'date' } },
      { name: 'big', type: millis },
    ];
    const value = {
      line: 1,
      date: { long: 979_150_800_000 },
      origin: 'SAN',
      place: { string: '1A' },
      raw: Buffer.from([1, 2]),
      price: Buffer.from([123]),
      load: 0.5,
      day: 11_332,
      big: 5,
    };
    const [bytes, reader] = foreign(fields, value, { name: 'Flight', namespace: 'com.example', table: 'flights' });
    expect(rowOf(bytes, reader)).toEqual({
      ...JSON_KEY,
      'seat no': '1A',
      raw: { $bytes: 'AQI=' },
      price: '12.30',
      load: 0.5,
      day: '2001-01-10',
      big: 5,
    });
  });

  it('reads a schema again by the columns there are once the table has changed', () => {
    const landed = { name: 'landed', type: { type: 'long', logicalType: 'timestamp-millis' } };
    const [bytes, reader] = foreign([...KEY_FIELDS, landed], { ...KEY_VALUES, landed: 979_150_800_000 });
    expect(refusal(bytes, reader)).toMatch(/no column "landed"/);
    reader.learn(keyspaceOf({ ...COLUMNS, landed: 'timestamp' }));
    expect(rowOf(bytes, reader)).toEqual({ ...JSON_KEY, landed: '2001-01-10T18:20:00Z' });
  });

  it('uses an enum or fixed named in an earlier field', () => {
    const origin = { name: 'origin', type: { type: 'enum', name: 'Airport', symbols: ['SAN'] } };
    const fields = [origin, ...KEY_FIELDS.slice(1), { name: 'seat no2', type: 'Airport' }].map((f) =>
      f.name === 'seat no2' ? { ...f, name: 'seat', column: 'seat no' } : f,
    );
    const [bytes, reader] = foreign(fields, { ...KEY_VALUES, seat: 'SAN' }, { namespace: 'a.b' });
    expect(rowOf(bytes, reader)).toEqual({ ...JSON_KEY, 'seat no': 'SAN' });
  });

  it('reads a RowMutation of fewer fields', () => {
    const fields = [ROW_MUTATION_SCHEMA.fields[0], { name: 'key', type: { type: 'map', values: ['long', 'string'] } }];
    const more = { name: 'RowMutation', namespace: 'tidemark.v1' };
    const [bytes, reader] = foreign(fields, { table: 'flights', key: KEY }, more);
    expect(rowOf(bytes, reader)).toEqual(JSON_KEY);
  });

  it.each([
    ['a field that is no column', [...KEY_FIELDS, { name: 'dely', type: 'int' }], { dely: 1 }, {}, /no column "dely"/],
    [
      'a list',
      [...KEY_FIELDS, { name: 'raw', type: { type: 'array', items: 'int' } }],
      { raw: [1] },
      {},
      /field raw is of type array/,
    ],
    [
      'a map',
      [...KEY_FIELDS, { name: 'raw', type: { type: 'map', values: 'int' } }],
      { raw: {} },
      {},
      /field raw is of type map/,
    ],
    ['a table nobody has', KEY_FIELDS, {}, { name: 'trains' }, /no table "trains"/],
    [
      'days for a moment',
      [KEY_FIELDS[0], { name: 'date', type: { type: 'int', logicalType: 'date' } }, KEY_FIELDS[2]],
      { date: 1 },
      {},
      /column date: got date, expected timestamp/,
    ],
    [
      'nanoseconds for a moment',
      [KEY_FIELDS[0], { name: 'date', type: { type: 'long', logicalType: 'timestamp-nanos' } }, KEY_FIELDS[2]],
      { date: 1 },
      {},
      /column date: got timestamp-nanos, expected timestamp/,
    ],
  ] as [string, unknown[], object, object, RegExp][])('refuses %s', (_, fields, values, more, message) => {
    const [bytes, reader] = foreign(fields, { ...KEY_VALUES, ...values }, more);
    expect(refusal(bytes, reader)).toMatch(message);
  });

  it('refuses what is no Avro schema, and a schema that nobody knows, naming those it knows', () => {
    const broken = new IngestReader(keyspace, () => ({ type: 'recrd', name: 'x' }));
    expect(refusal(confluent(1, Buffer.alloc(1)), broken)).toMatch(/not an Avro schema/);
    const stranger = single({ type: 'record', name: 'x', fields: [] }, Buffer.alloc(0));
    expect(refusal(stranger)).toMatch(/nobody knows schema [0-9a-f]{16}, expected one of .*RowMutation.*flights/);
    expect(refusal(Buffer.from('{"table":'))).toMatch(/begins 7b22, expected 00 and a schema id, or c301/);
    expect(refusal(Buffer.alloc(0))).toMatch(/begins nothing/);
  });

  it('wants rows taken before a column of theirs changes its type', () => {
    const reader = new IngestReader(keyspace);
    reader.add(confluent(1, payloadOf({ cells: { delay: { long: 1 } } })));
    const wider = keyspaceOf({ ...COLUMNS, delay: 'long' });
    expect(() => reader.learn(wider)).toThrow(/rows are to be taken/);
    reader.batches.get(1)!.clear();
    reader.learn(wider);
    expect(rowOf(confluent(1, payloadOf({ cells: { delay: { long: 2 ** 40 } } })), reader).delay).toBe(2 ** 40);
  });
});

describe('table schema', () => {
  it('is a record of the columns, the key required and the rest nullable', () => {
    const { fields, name, table } = tableSchema(tableNamed(keyspace, 'flights'));
    expect([name, table]).toEqual(['flights', 'flights']);
    expect(fields.slice(0, 4)).toEqual([...KEY_FIELDS, { name: 'delay', type: ['null', 'int'], default: null }]);
    expect(fields.at(-1)).toEqual({ name: 'column_11', column: 'seat no', type: ['null', 'string'], default: null });
  });

  it('stays the same when columns come into being by being written', () => {
    const grown = addDynamicColumn(keyspace, 'events', 'x', { name: 'double' });
    expect(tableSchema(tableNamed(grown, 'events'))).toEqual(tableSchema(tableNamed(keyspace, 'events')));
  });
});
