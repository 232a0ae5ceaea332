import { isFault } from '@tidemark/platform/fault';
import { describe, expect, it } from 'vitest';
import { evolve } from './evolve.ts';
import { formatKeyspaceFile, isColumnName, isName, parseAck, parseKeyspaceFile } from './keyspace-file.ts';

/** The file of the README, as text. */
const TRAVEL = `{ "keyspace": "travel", "mode": "single", "primary": "paris", "ack": "sync(1)", "failover": "automatic",
  "sites": { "paris": "data", "tokyo": "data", "quito": "data" },
  "partitions": 8,
  "tables": { "flights": {
    "columns": { "origin": "string", "date": "timestamp", "destination": "string", "line": "int", "delay": "int", "distance": "int" },
    "partitionKey": "origin", "sortKey": ["date", "destination", "line"],
    "dynamicColumns": { "max": 64 }, "ttl": null } } }`;
const travel = (): Record<string, unknown> => JSON.parse(TRAVEL) as Record<string, unknown>;
type Columns = Record<string, unknown>;
const flights = (change: Record<string, unknown>, columns: Columns = {}): unknown => {
  const file = travel() as { tables: { flights: { columns: Columns } } };
  Object.assign(file.tables.flights, change);
  Object.assign(file.tables.flights.columns, columns);
  return file;
};

function faultOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (isFault(error, 'invalid')) return error.message;
    throw error;
  }
  return 'no fault';
}
const refusal = (json: unknown): string => faultOf(() => parseKeyspaceFile(json));

describe('keyspace file', () => {
  it('takes the documented one as it is', () => {
    expect(parseKeyspaceFile(travel())).toEqual(travel());
  });

  it('is given back as it was taken, once it has become a keyspace', () => {
    for (const file of [travel(), { ...travel(), degradeTo: 0 }]) {
      expect(formatKeyspaceFile(evolve(null, parseKeyspaceFile(file)).keyspace)).toEqual(file);
    }
  });

  it.each([
    ['a misspelt field, naming the nearest', { ...travel(), sits: {} }, /sits.*nearest: sites/],
    ['a misspelt field of a table', flights({ partitonKey: 'x' }), /flights.*partitonKey.*nearest: partitionKey/],
    ['a missing field', { ...travel(), primary: undefined }, /primary: got nothing, expected string/],
    ['several primaries', { ...travel(), mode: 'multi' }, /mode: got "multi", expected "single".*not built yet/],
    ['rows that expire', flights({ ttl: 60 }), /flights\.ttl: got 60, expected null.*not built yet/],
    ['a type nobody knows', flights({}, { delay: 'int32' }), /columns\.delay: got "int32", expected boolean int/],
    [
      'a type nobody knows in an object',
      flights({}, { delay: { type: 'in' } }),
      /delay\.type: got "in", expected bool/,
    ],
    ['a word beside dropped', flights({}, { delay: { dropped: true, x: 1 } }), /delay.*got "x"/],
    ['dropped: false', flights({}, { delay: { dropped: false } }), /delay\.dropped: got false, expected true/],
    ['too wide a decimal', flights({}, { price: 'decimal(19,2)' }), /decimal\(19,2\).*p ≤ 18/],
    ['a column beginning with $', flights({}, { $id: 'int' }), /\$id.*does not begin with \$/],
    ['a site name with a dot', { ...travel(), sites: { 'a.b': 'data' } }, /"a\.b", expected letters, digits/],
    [
      'two sites that are one folder',
      { ...travel(), sites: { paris: 'data', Paris: 'data' } },
      /Paris.*differs from paris/,
    ],
    ['a site of another role', { ...travel(), sites: { paris: 'dta' } }, /"dta", expected "data" or "witness"/],
    [
      'a witness as primary',
      { ...travel(), sites: { paris: 'witness', tokyo: 'data' } },
      /primary: got "paris".*tokyo/,
    ],
    ['a primary that is no site', { ...travel(), primary: 'pari' }, /primary: got "pari".*nearest: paris/],
    [
      'more copies than sites',
      { ...travel(), ack: 'sync(3)' },
      /ack: got "sync\(3\)", expected at most 2 .*there are 3/,
    ],
    [
      'a level to go down to that is none',
      { ...travel(), degradeTo: 2 },
      /degradeTo: got 2, expected at most 1 .*sync\(1\)/,
    ],
    ['sync(0)', { ...travel(), ack: 'sync(0)' }, /ack: got "sync\(0\)", expected local or sync\(k\)/],
    ['no partition', { ...travel(), partitions: 0 }, /partitions: got 0, expected at least 1/],
    ['too many partitions', { ...travel(), partitions: 1025 }, /partitions: got 1025, expected at most 1024/],
    ['half a partition', { ...travel(), partitions: 1.5 }, /partitions: got 1.5/],
    ['a key column that is none', flights({ partitionKey: 'origins' }), /partitionKey: got "origins".*nearest: origin/],
    ['a key column twice', flights({ sortKey: ['date', 'date'] }), /sortKey: got "date".*once/],
    ['a key column that is dropped', flights({}, { line: { dropped: true } }), /sortKey: got "line"/],
    ['dynamic columns without an end', flights({ dynamicColumns: {} }), /dynamicColumns\.max: got nothing/],
    ['no object', 'travel', /the file: got "travel", expected object/],
    ['__proto__', JSON.parse(TRAVEL.replace('"delay"', '"__proto__"')), /__proto__/],
  ])('refuses %s', (_, json, message) => {
    expect(refusal(json)).toMatch(message);
  });

  it('names everything that is wrong at once', () => {
    expect(refusal({ ...travel(), mode: 'multi', partitions: 0 })).toMatch(/mode: .*; partitions: /);
  });

  it('has names that are safe in topics and folders', () => {
    expect(['travel', 'a-b_c', '7', 'x'.repeat(64)].filter(isName)).toHaveLength(4);
    expect(['', '-a', '_a', '.', 'a/b', 'a.b', 'ü', 'x'.repeat(65), 'nul', 'COM1'].filter(isName)).toEqual([]);
  });

  it.each(['tails', 'watchdog', 'jobs', 'temp', 'system', 'Memory', 'information_schema', 'control', 'Status'])(
    'refuses the name %s, which the system has, saying for what',
    (keyspace) => {
      expect(refusal({ ...travel(), keyspace })).toMatch(`keyspace "${keyspace}": the name is taken by the system (`);
    },
  );

  it('has columns of any printable name', () => {
    expect(['delay', 'Verspätung in Minuten', '列', 'a.b/c', 'x'.repeat(128)].filter(isColumnName)).toHaveLength(5);
    expect(['', '$x', 'a\nb', '\ud800', '__proto__', 'x'.repeat(129)].filter(isColumnName)).toEqual([]);
  });

  it('reads ack levels', () => {
    expect([parseAck('local'), parseAck('sync(2)')]).toEqual([
      { name: 'local', k: 0 },
      { name: 'sync', k: 2 },
    ]);
    expect(faultOf(() => parseAck('sync'))).toMatch(/ack: got "sync"/);
  });
});
