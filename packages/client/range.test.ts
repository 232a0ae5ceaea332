/** Ranges and many rows by key, as they are asked of a site and read from its answers. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connect, type Database, table } from './client.ts';
import { ScriptedSite } from './testing/scripted-site.ts';

const flights = table('travel.flights', {
  columns: { origin: 'string', date: 'timestamp', line: 'int', delay: 'long' },
  partitionKey: 'origin',
  sortKey: ['date', 'line'],
});
const DATE = '2001-01-10T18:20:00Z';
const row = (line: number): object => ({ origin: 'S/N', date: DATE, line, delay: line });

let site: ScriptedSite;
let db: Database;
beforeEach(async () => {
  site = await ScriptedSite.start();
  db = await connect([site.url]);
});
afterEach(async () => {
  await db[Symbol.asyncDispose]();
  await site[Symbol.asyncDispose]();
});

async function lines(rows: AsyncIterable<{ line: number; delay: bigint | null }>): Promise<number[]> {
  const found: number[] = [];
  for await (const { line, delay } of rows) {
    expect(delay).toBe(BigInt(line));
    found.push(line);
  }
  return found;
}

describe('a range', () => {
  test('of few rows is asked for in pages, on behind the cursor as long as rows are wanted', async () => {
    const path = 'GET /v1/travel/flights/rows/S%2FN';
    const bounds = 'order=desc&from=2001-01-10T18%3A20%3A00Z&until=2002-01-10T18%3A20%3A00Z';
    site.routes.set(`${path}?limit=5&${bounds}`, { status: 200, body: { rows: [row(5), row(4)], cursor: 'c/1' } });
    site.routes.set(`${path}?limit=3&${bounds}&cursor=c%2F1`, { status: 200, body: { rows: [row(3)], cursor: 'c2' } });
    site.routes.set(`${path}?limit=2&${bounds}&cursor=c2`, {
      status: 200,
      body: { rows: [row(2), row(1)], cursor: 'c3' },
    });
    const range = db.range(
      flights,
      { origin: 'S/N' },
      { limit: 5, order: 'desc', from: DATE, until: new Date('2002-01-10T18:20Z') },
    );
    expect(await lines(range)).toEqual([5, 4, 3, 2, 1]);
    expect(site.asked.length).toBe(3);
    site.routes.set(`${path}?limit=9`, { status: 200, body: { rows: [row(1)], cursor: null } });
    expect(await lines(db.range(flights, { origin: 'S/N' }, { limit: 9 }))).toEqual([1]);
  });

  test('of all rows, or of many, is a scan of one moment with the same bounds and order', async () => {
    const path = 'POST /v1/travel/flights/scan';
    const end = JSON.stringify({ $end: { rows: 1, scanned: 1, ms: 0, asOf: null, cursor: null } });
    site.routes.set(path, { status: 200, body: `${JSON.stringify(row(7))}\n${end}\n` });
    const prefix = { origin: 'S/N', date: DATE };
    expect(await lines(db.range(flights, prefix, { after: 3, to: 9, order: 'desc' }))).toEqual([7]);
    await lines(db.range(flights, { origin: 'S/N' }, { limit: 5_000 }));
    const orderBy = (direction: string): string[][] => ['origin', 'date', 'line'].map((name) => [name, direction]);
    expect(site.asked.map(({ body }) => body)).toEqual([
      {
        where: [
          ['origin', '=', 'S/N'],
          ['date', '=', DATE],
          ['line', '>', 3],
          ['line', '<=', 9],
        ],
        orderBy: orderBy('desc'),
      },
      { where: [['origin', '=', 'S/N']], orderBy: orderBy('asc'), limit: 5_000 },
    ]);
  });

  test('has no bounds behind a whole key', async () => {
    const key = { origin: 'S/N', date: DATE, line: 1 };
    await expect(lines(db.range(flights, key, { from: 1 }))).rejects.toThrow('from beside a whole key');
  });
});

describe('many rows by key', () => {
  const path = 'POST /v1/travel/flights/rows/get';
  const keys = [1, 2, 3].map((line) => ({ origin: 'S/N', date: new Date(DATE), line }));

  test('come in the order of the keys, null where there is none', async () => {
    const end = JSON.stringify({ $end: { rows: 3, found: 2, asOf: null } });
    site.routes.set(path, {
      status: 200,
      body: `${JSON.stringify(row(1))}\nnull\n${JSON.stringify(row(3))}\n${end}\n`,
    });
    const found = await db.getMany(flights, keys);
    expect(found.map((one) => one?.delay ?? null)).toEqual([1n, null, 3n]);
    expect(site.asked[0]!.body).toEqual({ keys: [1, 2, 3].map((line) => ({ origin: 'S/N', date: DATE, line })) });
  });

  test('of an answer that stops early are unknown', async () => {
    site.routes.set(path, { status: 200, body: `${JSON.stringify(row(1))}\nnull\n` });
    await expect(db.getMany(flights, keys)).rejects.toMatchObject({ kind: 'unknown' });
  });
});
