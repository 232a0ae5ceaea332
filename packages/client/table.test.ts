/** Row types follow from the table: what is wrong here does not compile. Values survive the way out and back. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromJson, toJson } from './cell-json.ts';
import type { Database } from './database.ts';
import { type RowOf, table } from './table.ts';
import { microsOf, Timestamp } from './timestamp.ts';
import { mergeTokens } from './write-reply.ts';

const flights = table('travel.flights', {
  columns: {
    origin: 'string',
    date: 'timestamp',
    destination: 'string',
    line: 'int',
    delay: 'int',
    miles: 'long',
    fare: 'decimal(9,2)',
  },
  partitionKey: 'origin',
  sortKey: ['date', 'destination', 'line'],
});
const key = { origin: 'SAN', date: new Date(0), destination: 'LAX', line: 1 };

/** Never run: compiling it is the test. */
async function types(db: Database): Promise<void> {
  await db.put(flights, { ...key, delay: 5, miles: 3n, fare: '12.50' });
  await db.put(flights, { ...key, delay: null });
  await db.put(flights, { ...key, $delete: true });
  // @ts-expect-error a column the table does not have
  await db.put(flights, { ...key, dealy: 5 });
  // @ts-expect-error a cell of another type
  await db.put(flights, { ...key, delay: '5' });
  // @ts-expect-error a key part is missing
  await db.put(flights, { origin: 'SAN', delay: 5 });
  // @ts-expect-error a key part cannot be deleted
  await db.put(flights, { ...key, line: null });
  // @ts-expect-error get wants the whole key
  await db.get(flights, { origin: 'SAN' });
  void db.range(flights, { origin: 'SAN' });
  // @ts-expect-error range wants the partition key at least
  void db.range(flights, { line: 1 });

  const row: RowOf<typeof flights> | null = await db.get(flights, key);
  const delay: number | null | undefined = row?.delay;
  const miles: bigint | null | undefined = row?.miles;
  const origin: string | undefined = row?.origin;
  // @ts-expect-error not a column
  row?.dealy;

  const late = db.scan(flights, {
    where: [
      ['delay', '>', 60],
      ['origin', 'in', ['SAN', 'LAX']],
    ],
    groupBy: ['origin'],
    select: ['origin', { count: '*', as: 'n' }, { max: 'miles', as: 'far' }, { sum: 'delay', as: 'lost' }],
  });
  for await (const group of late) {
    const n: number = group.n;
    const far: bigint | null = group.far;
    const from: string = group.origin;
    const lost: bigint | null = group.lost;
    // @ts-expect-error not selected
    group.delay;
    types.used = [n, far, from, lost, delay, miles, origin];
  }
  // @ts-expect-error a column the table does not have
  db.scan(flights, { select: ['orgin'] });
  // @ts-expect-error a condition with a value of another type
  db.scan(flights, { where: [['delay', '>', 'x']] });
  db.scan(flights, { where: [{ or: [['origin', 'prefix', 'S'], { not: ['delay', 'is-null'] }] }] });
  // @ts-expect-error a condition with a column the table does not have, within another
  db.scan(flights, { where: [{ or: [['orgin', 'prefix', 'S']] }] });
  // @ts-expect-error grouping by a column the table does not have
  db.scan(flights, { groupBy: ['orgin'] });
  // @ts-expect-error a key of a column that is not declared
  table('a.b', { columns: { x: 'int' }, partitionKey: 'y' });
  // @ts-expect-error no such type
  table('a.b', { columns: { x: 'integer' }, partitionKey: 'x' });
}
types.used = [] as unknown[];

describe('table', () => {
  test('a name without its keyspace is refused', () => {
    expect(() => table('flights' as 'a.b', { columns: { x: 'int' }, partitionKey: 'x' })).toThrow(
      /"flights", expected keyspace.table/,
    );
  });

  test('a key of columns that are not there is refused, naming those that are', () => {
    const definition = { columns: { x: 'int' }, partitionKey: 'y' } as unknown as {
      columns: { x: 'int' };
      partitionKey: 'x';
    };
    expect(() => table('a.b', definition)).toThrow(/"y"; the columns are x/);
  });
});

describe('cells as JSON', () => {
  const roundTrip = (type: Parameters<typeof fromJson>[1], value: unknown): unknown =>
    fromJson('c', type, JSON.parse(JSON.stringify(toJson('c', value))));

  test('a long of any size comes back as it was', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (n) => {
        expect(roundTrip('long', n)).toBe(n);
      }),
    );
  });

  test('a double of any kind comes back as it was', () => {
    fc.assert(
      fc.property(fc.double(), (n) => {
        expect(roundTrip('double', n)).toBe(n === 0 ? 0 : n);
      }),
    );
  });

  test('a timestamp keeps its microseconds', () => {
    fc.assert(
      fc.property(fc.integer({ min: -8e15, max: 8e15 }), (micros) => {
        expect(microsOf(roundTrip('timestamp', new Timestamp(micros)) as Timestamp)).toBe(micros);
      }),
    );
  });

  test('bytes come back as they were', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(roundTrip('bytes', bytes)).toEqual(bytes);
      }),
    );
  });

  test('what JSON cannot say is refused, naming the column', () => {
    for (const value of [new Date(Number.NaN), Symbol('x'), undefined, {}]) {
      expect(() => toJson('delay', value)).toThrow(/column delay: .*expected boolean/);
    }
  });

  test('a cell of another type in an answer is corrupt, not passed on', () => {
    expect(() => fromJson('delay', 'int', '5')).toThrow(/column delay: the site sent "5", expected int/);
  });
});

test('tokens of one write merge to the furthest position of each partition', () => {
  expect(mergeTokens(['t/paris/0=1:5,3=1:2', 't/paris/0=1:7', 't/paris/3=2:0'])).toBe('t/paris/0=1:7,3=2:0');
  expect(mergeTokens([])).toBe('');
});
