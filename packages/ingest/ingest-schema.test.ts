import { addDynamicColumn } from '@tidemark/model/evolve';
import { tableNamed } from '@tidemark/model/table';
import avro from 'avsc';
import { describe, expect, it } from 'vitest';
import { IngestReader } from './ingest-record.ts';
import { ROW_MUTATION_SCHEMA, tableSchema } from './ingest-schema.ts';
import {
  COLUMNS,
  confluent,
  foreign,
  JSON_KEY,
  KEY,
  KEY_FIELDS,
  KEY_VALUES,
  keyspace,
  keyspaceOf,
  payloadOf,
  refusal,
  rowOf,
  single,
} from './testing/ingest-harness.ts';

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

  it('has the columns that came into being by being written; each one that was ever printed is read, by a new reader too', () => {
    const names = ['x', 'y', 'no avro name'];
    let grown = keyspace;
    const printed = [tableSchema(tableNamed(grown, 'events'))];
    for (const name of names) {
      grown = addDynamicColumn(grown, 'events', name, { name: 'double' });
      printed.push(tableSchema(tableNamed(grown, 'events')));
    }
    expect(printed.map(({ fields }) => fields.length)).toEqual(
      [0, 1, 2, 3].map((more) => printed[0]!.fields.length + more),
    );
    const reader = new IngestReader(grown);
    for (const schema of printed) {
      const type = avro.Type.forSchema(schema as unknown as avro.Schema, { wrapUnions: true });
      const value = Object.fromEntries(schema.fields.map(({ name }) => [name, name === 'id' ? 'e1' : null]));
      expect(reader.add(single(schema, type.toBuffer(value))).table.name).toBe('events');
    }
    const unknown = Buffer.concat([Buffer.from([0xc3, 1]), Buffer.alloc(8, 7)]);
    expect(() => reader.add(unknown)).toThrow(/nobody knows schema 0707070707070707/);
  });
});
