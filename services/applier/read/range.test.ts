/** Ranges of one partition key over HTTP: bounds, both directions, cursors, and what is refused. */

import { keyFromSegments } from '@tidemark/columnar/json-rows';
import { partitionOf } from '@tidemark/model/hash';
import type { Column } from '@tidemark/model/table';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { get, HttpSite, KEYSPACE, type Served } from '../testing/http-harness.ts';
import { PartitionMaker, sampleKeyspace } from '../testing/log-maker.ts';

const BASE = KEYSPACE.tables[0]!;
const column = (id: number, name: string, type: 'int' | 'string'): Column => ({
  id,
  name,
  type: { name: type },
  dropped: false,
});
/** Key k, s, t. */
const TABLE = {
  ...BASE,
  columns: [...BASE.columns, column(4, 's', 'int'), column(5, 't', 'string'), column(6, 'a,"b', 'int')],
  key: [1, 4, 5],
};
const WIDE = sampleKeyspace({ tables: [TABLE] });
const PARTITION = partitionOf(keyFromSegments(TABLE, ['p']), 2);

let site: HttpSite;
let served: Served;
beforeEach(async () => {
  site = await HttpSite.make();
  served = await site.serve({}, WIDE);
  const maker = new PartitionMaker(WIDE, 'paris', PARTITION);
  maker.genesis();
  maker.start(1);
  const rows = [5, 1, 3, 2, 4].flatMap((s) => ['x', ''].map((t) => ({ k: 'p', s, t, v: s * 10, 'a,"b': s })));
  await site.append(PARTITION, maker.rows(rows));
  // In column files, some deleted and written anew in memory.
  await get(served.app, '/v1/ks/t/rows/p', `ks/paris/${PARTITION}=1:1`);
  await served.service.flush();
  await site.append(
    PARTITION,
    maker.rows([{ k: 'p', s: 3, t: 'x', $delete: true } as never, { k: 'p', s: 2, t: 'x', w: 'w' }]),
  );
  await get(served.app, '/v1/ks/t/rows/p', `ks/paris/${PARTITION}=1:2`);
});
afterEach(async () => {
  await served[Symbol.asyncDispose]();
  await site[Symbol.asyncDispose]();
});

type Page = { rows: { s: number; t: string }[]; cursor: string | null };
async function range(query: string): Promise<Page> {
  const { status, json } = await get(served.app, `/v1/ks/t/rows/${query}`);
  expect([query, status]).toEqual([query, 200]);
  return json as Page;
}
const places = ({ rows }: Page): string[] => rows.map(({ s, t }) => `${s}${t}`);
const ALL = ['1', '1x', '2', '2x', '3', '4', '4x', '5', '5x'];

describe('a range over HTTP', () => {
  it('has bounds on the part behind the prefix, with their ends or without', async () => {
    for (const [query, expected] of [
      ['p', ALL],
      ['p?from=2', ALL.slice(2)],
      ['p?after=2', ALL.slice(4)],
      ['p?to=2', ALL.slice(0, 4)],
      ['p?until=2', ALL.slice(0, 2)],
      ['p?from=2&until=4', ['2', '2x', '3']],
      ['p?after=4&until=4', []],
      ['p?after=2147483647', []],
      ['p?until=-2147483648', []],
      ['p/2?from=', ['2', '2x']],
      ['p/2?after=', ['2x']],
      ['p/2?to=w', ['2']],
      ['q', []],
    ] as const) {
      expect([query, places(await range(query))]).toEqual([query, expected]);
      const mark = query.includes('?') ? '&' : '?';
      const backwards = places(await range(`${query}${mark}order=desc`));
      expect([query, backwards]).toEqual([query, expected.toReversed()]);
    }
  });

  it('goes on behind a cursor, either way, every row once', async () => {
    for (const order of ['asc', 'desc']) {
      for (const limit of [1, 2, 4, 9]) {
        const seen: string[] = [];
        for (let cursor: string | null | undefined; cursor !== null; ) {
          const at: string = cursor === undefined ? '' : `&cursor=${cursor}`;
          const page = await range(`p?from=1&order=${order}&limit=${limit}${at}`);
          seen.push(...places(page));
          ({ cursor } = page);
        }
        expect([order, limit, seen]).toEqual([order, limit, order === 'asc' ? ALL : ALL.toReversed()]);
      }
    }
  });

  it('gives joined rows, and the columns that are selected, in their order', async () => {
    expect((await range('p/2')).rows).toEqual([
      { k: 'p', s: 2, t: '', v: 20, 'a,"b': 2 },
      { k: 'p', s: 2, t: 'x', v: 20, w: 'w', 'a,"b': 2 },
    ]);
    const selected = await served.app.inject({ url: `/v1/ks/t/rows/p/2?select=${encodeURIComponent('"a,""b",w,s')}` });
    expect(selected.body).toBe('{"rows":[{"a,\\"b":2,"s":2},{"a,\\"b":2,"w":"w","s":2}],"cursor":null}');
    expect(selected.headers['content-type']).toBe('application/json; charset=utf-8');
  });

  it('refuses what is no range by name, with both values', async () => {
    const { cursor } = await range('p?limit=2');
    const other = (await range('p?limit=2&order=desc')).cursor;
    const version = Buffer.from(cursor!, 'base64url');
    version[0] = 7;
    for (const [query, ...told] of [
      ['p?limit=0', 'limit=0', '1 to 10000'],
      ['p?limit=10001', 'limit=10001', '1 to 10000'],
      ['p?order=up', 'order=up', 'asc or desc'],
      ['p?from=x', 'from', '"x"', 'int'],
      ['p?from=1&after=2', 'from=1 and after=2'],
      ['p?to=1&until=2', 'to=1 and until=2'],
      ['p?select=vv', '"vv"', 'v'],
      ['p?select=v,v', '"v" twice'],
      ['p?select=v,,w', 'select=v,,w'],
      ['p?cursor=!', 'cursor "!"'],
      [`p?cursor=${other}`, 'another range'],
      [`q?cursor=${cursor}`, 'another range'],
      [`p?from=1&cursor=${cursor}`, 'another range'],
      [`p?cursor=${version.toString('base64url')}`, 'version 7', 'version 1'],
      ['p/2/x?from=3', 'from=3', 'fewer than 3'],
      ['p/2/x?limit=3', 'limit=3', 'fewer than 3'],
    ] as const) {
      const { status, json } = await get(served.app, `/v1/ks/t/rows/${query}`);
      expect([query, status]).toEqual([query, 400]);
      for (const words of told) expect(json.detail).toContain(words);
    }
  });

  it('is what the same question is as a scan, which gives it in key order without ordering', async () => {
    const scan = async (body: object): Promise<Record<string, unknown>[]> => {
      const reply = await served.app.inject({ method: 'POST', url: '/v1/ks/t/scan', payload: body });
      expect(reply.statusCode).toBe(200);
      return reply.body
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
    };
    const lines = await scan({
      where: [
        ['k', '=', 'p'],
        ['s', '>', 1],
      ],
      orderBy: [
        ['s', 'desc'],
        ['t', 'desc'],
      ],
      limit: 3,
    });
    const end = lines.pop() as { $end: { rows: number; cursor: string } };
    expect(lines.map(({ s, t }) => `${s}${t}`)).toEqual(['5x', '5', '4x']);
    expect(end.$end.rows).toBe(3);
    const rest = await scan({
      where: [
        ['k', '=', 'p'],
        ['s', '>', 1],
      ],
      orderBy: [
        ['s', 'desc'],
        ['t', 'desc'],
      ],
      cursor: end.$end.cursor,
    });
    expect(rest.slice(0, -1).map(({ s, t }) => `${s}${t}`)).toEqual(['4', '3', '2x', '2']);
    const filtered = await scan({
      where: [
        ['k', '=', 'p'],
        ['w', 'is-not-null'],
      ],
      limit: 5,
      select: ['w', 's'],
    });
    expect(filtered[0]).toEqual({ w: 'w', s: 2 });
    expect(filtered.length).toBe(2);
    const whole = await scan({ where: [['k', '=', 'p']], select: ['s'] });
    expect(whole.length).toBe(ALL.length + 1);
    const foreign = await served.app.inject({
      method: 'POST',
      url: '/v1/ks/t/scan',
      payload: { where: [['k', '=', 'q']], limit: 1, cursor: end.$end.cursor },
    });
    expect([foreign.statusCode, foreign.json().detail]).toEqual([400, expect.stringContaining('another range')]);
  });
});

describe('rows by their keys', () => {
  const post = async (payload: object): Promise<{ status: number; lines: unknown[]; body: string }> => {
    const reply = await served.app.inject({ method: 'POST', url: '/v1/ks/t/rows/get', payload });
    const lines =
      reply.statusCode === 200
        ? reply.body
            .trim()
            .split('\n')
            .map((line) => JSON.parse(line))
        : [];
    return { status: reply.statusCode, lines, body: reply.body };
  };

  it('come in the order of the keys, null where there is none', async () => {
    const keys = [
      { k: 'p', s: 5, t: 'x' },
      { k: 'p', s: 3, t: 'x' },
      { t: 'x', s: 2, k: 'p' },
      { k: 'nobody', s: 0, t: '' },
      { k: 'p', s: 5, t: 'x' },
    ];
    const { lines } = await post({ keys, select: ['w', 's'] });
    expect(lines).toEqual([
      { s: 5 },
      null,
      { w: 'w', s: 2 },
      null,
      { s: 5 },
      { $end: { rows: 5, found: 3, asOf: null } },
    ]);
    const many = await post({ keys: Array.from({ length: 700 }, (_, i) => ({ k: 'p', s: i, t: 'x' })) });
    expect(many.lines.slice(0, 6).map((row) => (row as { s: number } | null)?.s ?? null)).toEqual([
      null,
      1,
      2,
      null,
      4,
      5,
    ]);
    expect(many.lines.at(-1)).toEqual({ $end: { rows: 700, found: 4, asOf: null } });
    expect((await post({ keys: [] })).lines).toEqual([{ $end: { rows: 0, found: 0, asOf: null } }]);
  });

  it('are refused by name when they are too many or no keys', async () => {
    const key = { k: 'p', s: 1, t: 'x' };
    for (const [body, ...told] of [
      [{ keys: new Array(100_001).fill(key) }, '100001 keys', 'at most 100000'],
      [{ keys: [key, { k: 'p', s: 1 }] }, 'key 1', 'without \\"t\\"', 'k, s, t'],
      [{ keys: [{ ...key, v: 1 }] }, 'key 0', '\\"v\\"'],
      [{ keys: [{ ...key, s: 'x' }] }, 'column s', 'int'],
      [{ keys: ['p'] }, 'key 0', 'an object'],
      [{ keys: 'p' }, 'keys'],
      [{ kes: [] }, 'kes', 'nearest: keys'],
      [{ keys: [key], select: [] }, 'select []'],
      [{ keys: [key], select: ['nope'] }, 'nope'],
    ] as const) {
      const { status, body: problem } = await post(body);
      expect([told, status]).toEqual([told, 400]);
      for (const words of told) expect(problem).toContain(words);
    }
  });
});
