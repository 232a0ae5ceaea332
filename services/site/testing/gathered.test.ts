/** Three sites, written to and read row by row through the client: what is asked for at the same time travels together. */

import { type ConnectOptions, connect, type Database, isFault, table } from '@tidemark/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { send, untilDone } from './asking.ts';
import { EmbeddedSites } from './embedded-sites-harness.ts';

const FILE = {
  keyspace: 'g',
  primary: 'paris',
  ack: 'local',
  sites: { paris: 'data', tokyo: 'data', quito: 'data' },
  partitions: 4,
  tables: {
    things: { columns: { k: 'string', at: 'timestamp', n: 'int' }, partitionKey: 'k', sortKey: ['at'] },
  },
};
const things = table('g.things', {
  columns: { k: 'string', at: 'timestamp', n: 'int' },
  partitionKey: 'k',
  sortKey: ['at'],
});
const AT = '2001-01-10T18:20:00Z';

let sites: EmbeddedSites;

beforeAll(async () => {
  sites = await EmbeddedSites.make();
  await sites.startAll();
  await sites.define(FILE);
  await untilDone(async () => {
    const { status } = await sites.ask('paris', '/v1/g/things/rows', send('POST', { rows: [{ k: 'first', at: AT }] }));
    expect(status).toBe(200);
  });
}, 30_000);

afterAll(() => sites[Symbol.asyncDispose](), 30_000);

type Sent = { readonly path: string; readonly key: string; readonly rows: readonly { readonly k: string }[] };

/**
 * A connection, and the writes that go out of it: with their path and key, and the rows in them. `twice` has rows that
 * were in two requests at once, `reads` everything else that was asked.
 */
async function connected(first: string, options: ConnectOptions = {}) {
  const sent: Sent[] = [];
  const underWay = new Set<string>();
  const twice: string[] = [];
  const reads: string[] = [];
  const go = options.fetch ?? ((url, init) => fetch(url, init));
  const noted = async (url: string, init: RequestInit): Promise<Response> => {
    const key = new Headers(init.headers).get('idempotency-key');
    if (init.method !== 'POST' || key === null) {
      const { pathname, search } = new URL(url);
      reads.push(`${init.method} ${pathname}${search}`);
      return go(url, init);
    }
    const { rows } = JSON.parse(String(init.body)) as Pick<Sent, 'rows'>;
    sent.push({ path: new URL(url).search, key, rows });
    const names = new Set(rows.map(({ k }) => k));
    twice.push(...[...names].filter((k) => underWay.has(k)));
    for (const k of names) underWay.add(k);
    return go(url, init).finally(() => {
      for (const k of names) underWay.delete(k);
    });
  };
  const names = [first, ...[...sites.running.keys()].filter((name) => name !== first)];
  const urls = names.map((name) => sites.running.get(name)!.url);
  const db = await connect(urls, { ...options, fetch: noted });
  return { db, sent, twice, reads, [Symbol.asyncDispose]: () => db[Symbol.asyncDispose]() };
}

const named = (prefix: string, count: number): { readonly k: string; readonly at: string; readonly n: number }[] =>
  Array.from({ length: count }, (_, n) => ({ k: `${prefix} ${n}`, at: AT, n }));
const nOf = async (db: Database, k: string, atLeast: string): Promise<number | null | undefined> =>
  (await db.get(things, { k, at: AT }, { atLeast }))?.n;

describe('puts made at the same time', () => {
  it('travel in one request, and each has a receipt that can be read after, at any site', async () => {
    await using w = await connected('paris');
    const rows = named('together', 300);
    const receipts = await Promise.all(rows.map((row) => w.db.put(things, row)));
    expect(w.sent.map((one) => one.rows.length)).toEqual([300]);
    for (const receipt of receipts)
      expect(receipt).toMatchObject({ accepted: 1, rejected: 0, ack: 'local', errors: [] });
    await w.db.visible(receipts[7]!, { at: 'tokyo' });
    const got = await w.db.getMany(things, rows, { at: 'tokyo' });
    expect(got.map((row) => row?.n)).toEqual(rows.map(({ n }) => n));
  });

  it('of 64 that go on one after the other, take a request for each round and few more', async () => {
    await using w = await connected('paris');
    const lane = async (name: string): Promise<void> => {
      for (const row of named(name, 5)) await w.db.put(things, row);
    };
    await Promise.all(Array.from({ length: 64 }, (_, n) => lane(`lane ${n}`)));
    expect(w.sent.flatMap(({ rows }) => rows)).toHaveLength(64 * 5);
    expect(w.sent.length).toBeLessThanOrEqual(10);
  });

  it('one of which is wrong are stored without it, and only that one is told so, by column', async () => {
    await using w = await connected('paris');
    const rows = named('one wrong', 5).map((row, n) => (n === 2 ? { ...row, n: 'x' as never } : row));
    const outcomes = await Promise.all(rows.map((row) => w.db.put(things, row).catch((error: unknown) => error)));
    expect(w.sent).toHaveLength(1);
    expect(outcomes[2]).toMatchObject({ kind: 'invalid', details: { column: 'n', got: '"x"' } });
    for (const n of [0, 1, 3, 4]) expect(outcomes[n]).toMatchObject({ accepted: 1 });
    const token = (outcomes[0] as { readonly token: string }).token;
    expect(await Promise.all(rows.map(({ k }) => nOf(w.db, k, token)))).toEqual([0, 1, undefined, 3, 4]);
  });

  it('all of which are wrong are each told what is wrong with them', async () => {
    await using w = await connected('paris');
    const wrong = [
      [{ k: 'a', at: AT, n: 'x' }, 'n'],
      [{ k: 7, at: AT, n: 1 }, 'k'],
      [{ k: 'a', at: 'never', n: 1 }, 'at'],
    ] as const;
    const outcomes = wrong.map(([row]) => w.db.put(things, row as never).catch((error: unknown) => error));
    expect(await Promise.all(outcomes)).toMatchObject(
      wrong.map(([, column]) => ({ kind: 'invalid', details: { column } })),
    );
  });

  it('of one row end as the last one says, however its key is written', async () => {
    await using w = await connected('paris');
    const [text, date] = [AT, new Date(AT)];
    const puts = Array.from({ length: 20 }, (_, n) =>
      w.db.put(things, { k: 'one', at: n % 2 === 0 ? text : date, n }, n % 5 === 0 ? { ack: 'sync' } : {}),
    );
    puts.push(w.db.put(things, { k: 'one', at: text, $delete: true }));
    puts.push(w.db.put(things, { k: 'one', at: '2001-01-10T19:20:00+01:00', n: 99 }));
    const { token } = (await Promise.all(puts)).at(-1)!;
    expect(await nOf(w.db, 'one', token)).toBe(99);
    expect(w.twice).toEqual([]);
  });

  it('that ask for different acks travel apart, and each gets what it asked for', async () => {
    await using w = await connected('paris');
    const rows = named('acks', 6);
    const acks = [undefined, 'sync', 'local'] as const;
    const receipts = await Promise.all(
      rows.map((row, n) => w.db.put(things, row, n % 3 === 0 ? {} : { ack: acks[n % 3]! })),
    );
    expect(receipts.map(({ ack }) => ack)).toEqual(['local', 'sync(1)', 'local', 'local', 'sync(1)', 'local']);
    const asked = w.sent.map(({ path, rows: inIt }) => [new URLSearchParams(path).get('ack'), inIt.length]);
    expect(asked.toSorted()).toEqual([
      [null, 2],
      ['local', 2],
      ['sync', 2],
    ]);
  });

  it('with a key count once under it, and it stands for nothing else', async () => {
    await using w = await connected('paris');
    const [row, other] = named('keyed', 2);
    const first = await w.db.put(things, row!, { idempotencyKey: 'mine' });
    const [again, refused, neighbour] = await Promise.all([
      w.db.put(things, row!, { idempotencyKey: 'mine' }),
      w.db.put(things, other!, { idempotencyKey: 'mine' }).catch((error: unknown) => error),
      w.db.put(things, { ...other!, n: 7 }),
    ]);
    expect(again.token).toBe(first.token);
    expect(isFault(refused, 'keyReused')).toBe(true);
    expect(await nOf(w.db, other!.k, neighbour.token)).toBe(7);
  });

  it('whose answer is lost are stored once: they go again under the same key', async () => {
    let lost = 0;
    const losing = async (url: string, init: RequestInit): Promise<Response> => {
      const response = await fetch(url, init);
      if (!url.includes('/rows?') || lost++ > 0) return response;
      await response.text();
      throw new TypeError('the answer was lost');
    };
    await using w = await connected('paris', { fetch: losing });
    const receipts = await Promise.all(named('lost', 10).map((row) => w.db.put(things, row)));
    expect([w.sent.length, new Set(w.sent.map(({ key }) => key)).size]).toEqual([2, 1]);
    // What was written meanwhile stands behind it.
    const later = await w.db.put(things, { k: 'lost 0', at: AT, n: 1 });
    for (const [partition, { seq }] of receipts[0]!.positions)
      expect(seq).toBeLessThan(later.positions.get(partition)?.seq ?? Number.POSITIVE_INFINITY);
  });

  it('made at another site go to the primary together', async () => {
    await using w = await connected('tokyo');
    const receipts = await Promise.all(named('elsewhere', 8).map((row) => w.db.put(things, row)));
    expect(w.sent.map(({ rows }) => rows.length)).toEqual([8, 8]);
    expect(new Set(receipts.map(({ token }) => token)).size).toBe(1);
  });
});

describe('gets made at the same time', () => {
  const keyOf = ({ k, at }: { readonly k: string; readonly at: string }) => ({ k, at });

  it('travel in one request, each with its own row or none; one alone is a request of one row', async () => {
    await using w = await connected('paris');
    const rows = named('got', 40);
    const { token } = (await Promise.all(rows.map((row) => w.db.put(things, row))))[0]!;
    const other = table('g.things', { columns: { k: 'string', at: 'string' }, partitionKey: 'k', sortKey: ['at'] });
    const [got, none, alike] = await Promise.all([
      Promise.all(rows.map((row) => w.db.get(things, keyOf(row), { atLeast: token }))),
      w.db.get(things, { k: 'nobody', at: AT }, { atLeast: token }),
      w.db.get(other, keyOf(rows[3]!), { atLeast: token }),
    ]);
    expect(got.map((row) => row?.n)).toEqual(rows.map(({ n }) => n));
    expect(none).toBeNull();
    // As each declares it.
    expect([got[3]!.at, alike!.at]).toEqual([new Date(AT), AT]);
    expect(w.reads).toEqual(['POST /v1/g/things/rows/get']);
    expect(await nOf(w.db, 'got 7', token)).toBe(7);
    expect(w.reads[1]).toMatch(/^GET .*got%207/);
  });

  it('one of which is wrong have their rows without it, and only that one is told so', async () => {
    await using w = await connected('paris');
    const rows = named('got', 3);
    const { token } = await w.db.putMany(things, rows);
    const keys = [keyOf(rows[0]!), { k: 'got 1', at: 'never' }, keyOf(rows[2]!)];
    const gets = keys.map((key) => w.db.get(things, key, { atLeast: token }).catch((error: unknown) => error));
    const [first, wrong, last] = await Promise.all(gets);
    expect([first, last]).toMatchObject([{ n: 0 }, { n: 2 }]);
    expect(wrong).toMatchObject({ kind: 'invalid', details: { column: 'at' } });
  });

  it('that ask otherwise travel apart', async () => {
    await using w = await connected('paris');
    const key = { k: 'first', at: AT };
    const ways = [{}, { read: 'primary' }, { at: 'tokyo' }] as const;
    const rows = await Promise.all(ways.flatMap((way) => [w.db.get(things, key, way), w.db.get(things, key, way)]));
    for (const row of rows) expect(row?.k).toBe('first');
    const asked = w.reads.filter((path) => path.includes('/rows/get'));
    expect(asked.toSorted()).toEqual([
      'POST /v1/g/things/rows/get',
      'POST /v1/g/things/rows/get',
      'POST /v1/g/things/rows/get?read=primary',
    ]);
  });

  it('of a table that is not there are each refused', async () => {
    await using w = await connected('paris');
    const nothing = table('g.nothing', { columns: { k: 'string' }, partitionKey: 'k' });
    const gets = ['a', 'b'].map((k) => w.db.get(nothing, { k }).catch((error: unknown) => error));
    expect(await Promise.all(gets)).toMatchObject([{ kind: 'notFound' }, { kind: 'notFound' }]);
  });
});

it('puts while another site takes over are all stored, each row as its last put says', async () => {
  await using w = await connected('paris');
  let isOver = false;
  const lane = async (k: string): Promise<{ readonly n: number; readonly token: string }> => {
    for (let n = 0; ; n += 2) {
      const both = [n, n + 1].map((value) => w.db.put(things, { k, at: AT, n: value }));
      const [, { token }] = (await Promise.all(both)) as [unknown, { readonly token: string }];
      if (isOver) return { n: n + 1, token };
    }
  };
  const lanes = Array.from({ length: 16 }, (_, n) => lane(`moved ${n}`));
  const move = { kind: 'switchover', keyspace: 'g', to: 'tokyo' };
  expect(await sites.ask('paris', '/v1/jobs', send('POST', move))).toMatchObject({ status: 202 });
  await untilDone(async () => {
    const { status } = await sites.ask('tokyo', '/primary?keyspace=g');
    expect(status).toBe(200);
  });
  isOver = true;
  expect(w.twice).toEqual([]);
  for (const [i, { n, token }] of (await Promise.all(lanes)).entries()) {
    expect(token).toContain('tokyo');
    expect(await nOf(w.db, `moved ${i}`, token)).toBe(n);
  }
}, 30_000);
