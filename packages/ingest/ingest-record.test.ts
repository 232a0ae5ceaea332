import { NewColumns } from '@tidemark/columnar/row-writer';
import { addDynamicColumn } from '@tidemark/model/evolve';
import { isFault } from '@tidemark/platform/fault';
import avro from 'avsc';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IngestReader } from './ingest-record.ts';
import { ROW_MUTATION_SCHEMA } from './ingest-schema.ts';
import {
  confluent,
  JSON_KEY,
  KEY,
  keyspace,
  type Mutation,
  mutationType,
  payloadOf,
  refusal,
  rowOf,
  single,
} from './testing/ingest-harness.ts';

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

  it.each([
    [
      'date',
      { double: 979_150_800_000_000_000 },
      /whole microseconds since 1970 UTC, -9007199254740991 to 9007199254740991/,
    ],
    ['date', { double: 0.5 }, /microseconds since 1970/],
    ['date', { string: 'yesterday' }, /RFC 3339/],
    ['day', { long: 979_150_800_000 }, /whole days since 1970, -719528 to 2932896/],
  ] as const)('refuses a number that is no %s, saying which unit it should have', (column, value, message) => {
    const key = column === 'date' ? { ...KEY, date: value } : KEY;
    const cells = column === 'date' ? {} : { [column]: value };
    expect(refusal(confluent(1, payloadOf({ key, cells })))).toMatch(message);
  });
});
