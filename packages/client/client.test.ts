/** What a program may rely on when it writes and reads through a connection, whatever the sites do. */

import { SeededRandom } from '@tidemark/platform/random';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { connect, type Database, isFault, table, type WriteOptions } from './client.ts';
import { type Behaviour, ScriptedSite } from './testing/scripted-site.ts';

const things = table('travel.things', { columns: { k: 'string', n: 'int' }, partitionKey: 'k' });

const MAY_STORE: ReadonlySet<Behaviour> = new Set([
  'stored504',
  'lost504',
  'storedDrop',
  'lostDrop',
  'storedCut',
  'fenced',
]);
const failing = fc.constantFrom<Behaviour>(
  'busy',
  'stored504',
  'lost504',
  'storedDrop',
  'lostDrop',
  'storedCut',
  'fenced',
);

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

describe('a write', () => {
  test('is stored exactly once and acked, whatever fails before it goes through', async () => {
    await using site = await ScriptedSite.start();
    await using db = await connect([site.url], { random: new SeededRandom(1) });
    let n = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(failing, { maxLength: 3 }), async (script) => {
        site.script = [...script];
        site.seenKeys.length = 0;
        const row = { k: `row ${n}`, n: n++ };
        const receipt = await db.put(things, row);
        expect(receipt).toMatchObject({ accepted: 1, rejected: 0, ack: 'sync(1)' });
        expect(new Set(site.seenKeys).size).toBe(1);
        expect(site.seenKeys).toHaveLength(script.length + 1);
        expect(site.stored.get(site.seenKeys[0]!)).toBe(1);
        expect(site.rows.get(JSON.stringify([row.k]))).toEqual(row);
      }),
      { numRuns: 25 },
    );
  });

  test('given up is unknown if any try may have been stored, and unavailable if none was', async () => {
    await using site = await ScriptedSite.start();
    await using db = await connect([site.url], { random: new SeededRandom(2) });
    await fc.assert(
      fc.asyncProperty(fc.array(failing, { maxLength: 2 }), async (script) => {
        site.script = [...script, 'away'];
        site.stored.clear();
        const error: unknown = await db.put(things, { k: 'a' }).catch((e: unknown) => e);
        expect(isFault(error, script.some((one) => MAY_STORE.has(one)) ? 'unknown' : 'unavailable')).toBe(true);
        // "Not stored" is a promise.
        if (isFault(error, 'unavailable')) expect(site.stored.size).toBe(0);
      }),
      { numRuns: 25 },
    );
  });

  test('goes where the redirect says, and stays there', async () => {
    await using paris = await ScriptedSite.start('paris');
    await using tokyo = await ScriptedSite.start('tokyo');
    paris.script = ['elsewhere', 'elsewhere'];
    paris.redirectTo = tokyo.url;
    await using db = await connect([paris.url]);
    await db.put(things, { k: 'a', n: 1 });
    await db.put(things, { k: 'b', n: 2 });
    expect(tokyo.rows.size).toBe(2);
    expect(paris.seenKeys).toHaveLength(1);
  });

  test('finds the new primary when the old one is gone', async () => {
    await using tokyo = await ScriptedSite.start('tokyo');
    const paris = await ScriptedSite.start('paris');
    const gone = paris.url;
    await paris[Symbol.asyncDispose]();
    await using db = await connect([gone, tokyo.url]);
    expect((await db.put(things, { k: 'a' })).accepted).toBe(1);
    expect(tokyo.rows.size).toBe(1);
  });

  test.each(['storedSilent', 'lostSilent'] as const)(
    'to a primary that falls silent (%s) goes to its successor as soon as there is one, under the same key',
    async (how) => {
      await using paris = await ScriptedSite.start('paris');
      await using tokyo = await ScriptedSite.start('tokyo');
      tokyo.isPrimary = false;
      tokyo.epoch = 2;
      paris.epoch = 1;
      paris.script = [how];
      await using db = await connect([paris.url, tokyo.url], { timeoutMs: 30_000, idleMs: 30_000 });
      const writing = db.put(things, { k: 'a', n: 1 });
      await paris.hasSeen(1);
      tokyo.isPrimary = true;
      expect((await writing).accepted).toBe(1);
      expect([...tokyo.stored.keys()]).toEqual(paris.seenKeys);
    },
  );

  test('to a primary that is only slow waits for it, although an older one still calls itself primary', async () => {
    await using paris = await ScriptedSite.start('paris');
    await using tokyo = await ScriptedSite.start('tokyo');
    paris.epoch = 1;
    tokyo.epoch = 2;
    tokyo.script = ['lostSilent'];
    await using db = await connect([tokyo.url, paris.url], { timeoutMs: 2_500, idleMs: 2_500 });
    await expect(db.put(things, { k: 'a' })).rejects.toMatchObject({ kind: 'unknown' });
    expect(paris.seenKeys).toEqual([]);
  });

  test('of two sites that call themselves primary goes to the one of the later epoch', async () => {
    await using paris = await ScriptedSite.start('paris');
    await using tokyo = await ScriptedSite.start('tokyo');
    await using quito = await ScriptedSite.start('quito');
    quito.epoch = 3;
    paris.epoch = 1;
    tokyo.epoch = 2;
    paris.script = ['fenced'];
    await using db = await connect([paris.url, tokyo.url, quito.url]);
    await db.put(things, { k: 'a' });
    expect(quito.rows.size).toBe(1);
  });

  test('a redirect to a name that does not resolve here goes to the address given for that site', async () => {
    await using paris = await ScriptedSite.start('paris');
    await using tokyo = await ScriptedSite.start('tokyo');
    paris.script = ['elsewhere'];
    paris.redirectTo = 'http://tokyo.invalid:7420';
    paris.redirectName = 'tokyo';
    await using db = await connect([paris.url, tokyo.url]);
    await db.put(things, { k: 'a' });
    expect(tokyo.rows.size).toBe(1);
    expect(await db.siteUrls()).toEqual([paris.url, tokyo.url]);
  });

  test('sites that name each other for ever end in unavailable, not in an endless circle', async () => {
    await using paris = await ScriptedSite.start('paris');
    await using tokyo = await ScriptedSite.start('tokyo');
    paris.redirectTo = tokyo.url;
    tokyo.redirectTo = paris.url;
    for (const site of [paris, tokyo]) site.script = new Array<Behaviour>(200).fill('elsewhere');
    await using db = await connect([paris.url], { timeoutMs: 1_500 });
    await expect(db.put(things, { k: 'a' })).rejects.toMatchObject({ kind: 'unavailable' });
  });

  test('whose key may have been forgotten is not repeated: no repeat tells whether it was done', async () => {
    await using site = await ScriptedSite.start();
    site.script = ['forgotten'];
    await using db = await connect([site.url]);
    await expect(db.put(things, { k: 'a' })).rejects.toMatchObject({ kind: 'keyForgotten' });
    expect(site.seenKeys).toHaveLength(1);
  });

  test('whose repeat is refused may be stored: the refusal speaks of the repeat', async () => {
    await using site = await ScriptedSite.start();
    site.script = ['stored504', 'refused'];
    await using db = await connect([site.url]);
    await expect(db.put(things, { k: 'a' })).rejects.toMatchObject({ kind: 'unknown', details: { column: 'delay' } });
  });

  test('that is refused is not repeated, and the fault names the column', async () => {
    await using site = await ScriptedSite.start();
    site.script = ['refused'];
    await using db = await connect([site.url]);
    await expect(db.put(things, { k: 'a' })).rejects.toMatchObject({ kind: 'invalid', details: { column: 'delay' } });
    expect(site.seenKeys).toHaveLength(1);
  });

  test('of a stream yields one receipt a batch, in order, with the prefix and number as key', async () => {
    await using site = await ScriptedSite.start();
    site.script = ['ok', 'busy', 'stored504', 'ok'];
    await using db = await connect([site.url]);
    const rows = Array.from({ length: 25 }, (_, n) => ({ k: `${n}`, n }));
    const receipts = await all(db.write(things, rows, { batchRows: 10, idempotencyPrefix: 'p' }));
    expect(receipts.map((r) => r.accepted)).toEqual([10, 10, 5]);
    expect([...site.stored.keys()].sort()).toEqual(['p-0', 'p-1', 'p-2']);
    expect(site.rows.size).toBe(25);
  });

  test('under way when the connection is closed is given up, and as unknown', async () => {
    await using site = await ScriptedSite.start();
    site.script = ['storedSilent'];
    const db = await connect([site.url]);
    const writing = db.put(things, { k: 'a' }).catch((error: unknown) => error);
    await site.hasSeen(1);
    await db[Symbol.asyncDispose]();
    expect(isFault(await writing, 'unknown')).toBe(true);
  });

  test('after the connection was closed is refused', async () => {
    const db = await connect(['http://127.0.0.1:1']);
    await db[Symbol.asyncDispose]();
    await expect(db.put(things, { k: 'a' })).rejects.toMatchObject({ kind: 'invalid' });
  });
});

describe('puts made at the same time', () => {
  /** As many as that, each of a row of its own. */
  const putAll = (db: Database, count: number, options?: WriteOptions): Promise<unknown>[] =>
    Array.from({ length: count }, (_, n) => db.put(things, { k: `${n}`, n }, options).catch((error: unknown) => error));

  test('travel in one request, which is repeated under one key until it is answered for certain', async () => {
    await using site = await ScriptedSite.start();
    await using db = await connect([site.url], { random: new SeededRandom(3) });
    await fc.assert(
      fc.asyncProperty(fc.array(failing, { maxLength: 3 }), async (script) => {
        site.script = [...script];
        site.seenKeys.length = 0;
        site.rows.clear();
        const receipts = await Promise.all(putAll(db, 5));
        for (const receipt of receipts) expect(receipt).toMatchObject({ accepted: 1, rejected: 0, errors: [] });
        expect(new Set(site.seenKeys).size).toBe(1);
        expect(site.seenKeys).toHaveLength(script.length + 1);
        expect(site.rows.size).toBe(5);
      }),
      { numRuns: 10 },
    );
  });

  test('given up are all unknown if any try may have been stored, and unavailable if none was', async () => {
    await using site = await ScriptedSite.start();
    await using db = await connect([site.url]);
    for (const [first, kind] of [
      ['stored504', 'unknown'],
      ['busy', 'unavailable'],
    ] as const) {
      site.script = [first, 'away'];
      const outcomes = await Promise.all(putAll(db, 3));
      expect(outcomes).toMatchObject([{ kind }, { kind }, { kind }]);
    }
  });

  test('follow the primary to where it is, together', async () => {
    await using paris = await ScriptedSite.start('paris');
    await using tokyo = await ScriptedSite.start('tokyo');
    paris.script = ['elsewhere'];
    paris.redirectTo = tokyo.url;
    await using db = await connect([paris.url]);
    await Promise.all(putAll(db, 4));
    expect([tokyo.rows.size, tokyo.seenKeys]).toEqual([4, paris.seenKeys]);
  });

  test('wait while a site is busy, and keep the order of each row meanwhile', async () => {
    await using site = await ScriptedSite.start();
    site.script = ['busy', 'busy'];
    await using db = await connect([site.url]);
    const puts = Array.from({ length: 9 }, (_, n) => db.put(things, { k: `${n % 3}`, n }));
    await site.hasSeen(1);
    puts.push(db.put(things, { k: '0', n: 10 }));
    await Promise.all(puts);
    expect([...site.rows.values()]).toEqual([
      { k: '0', n: 10 },
      { k: '1', n: 7 },
      { k: '2', n: 8 },
    ]);
  });

  test('with a key of their own go by themselves, under it', async () => {
    await using site = await ScriptedSite.start();
    await using db = await connect([site.url]);
    const own = ['x', 'y'].map((k) => db.put(things, { k }, { idempotencyKey: k }));
    await Promise.all([...own, ...putAll(db, 3)]);
    expect(site.seenKeys).toHaveLength(3);
    expect(site.seenKeys).toEqual(expect.arrayContaining(['x', 'y']));
  });

  test('each go by themselves where the connection is told so', async () => {
    await using site = await ScriptedSite.start();
    await using db = await connect([site.url], { gather: false });
    await Promise.all(putAll(db, 5));
    expect(site.seenKeys).toHaveLength(5);
  });

  test('are given up as unknown when the connection is closed, and those not sent yet as not stored', async () => {
    await using site = await ScriptedSite.start();
    site.script = ['storedSilent'];
    const db = await connect([site.url]);
    const sent = putAll(db, 2);
    await site.hasSeen(1);
    const waiting = putAll(db, 3);
    await db[Symbol.asyncDispose]();
    expect(await Promise.all(sent)).toMatchObject([{ kind: 'unknown' }, { kind: 'unknown' }]);
    expect(await Promise.all(waiting)).toMatchObject(waiting.map(() => ({ kind: 'unavailable' })));
    expect(site.seenKeys).toHaveLength(1);
  });
});

describe('a write that its caller gives up', () => {
  test.each(['put', 'putMany'] as const)('by %s is not repeated, and may be stored', async (how) => {
    await using site = await ScriptedSite.start();
    site.script = ['storedSilent'];
    await using db = await connect([site.url]);
    const stop = new AbortController();
    const options = { signal: stop.signal };
    const row = { k: 'a' };
    const writing = how === 'put' ? db.put(things, row, options) : db.putMany(things, [row], options);
    await site.hasSeen(1);
    stop.abort();
    await expect(writing).rejects.toMatchObject({ kind: 'unknown' });
    await site.wasLeft(1);
    expect(site.seenKeys).toHaveLength(1);
    const again = how === 'put' ? db.put(things, row, options) : db.putMany(things, [row], options);
    await expect(again).rejects.toMatchObject({ kind: 'unavailable' });
    expect(site.seenKeys).toHaveLength(1);
  });
});

describe('a scan', () => {
  async function filled(): Promise<ScriptedSite> {
    const site = await ScriptedSite.start();
    for (let n = 0; n < 50; n++) site.rows.set(`${n}`, { k: `${n}`, n });
    return site;
  }

  test('gives every row and its end', async () => {
    await using site = await filled();
    await using db = await connect([site.url]);
    const scan = db.scan(things, {});
    expect(await all(scan)).toHaveLength(50);
    expect(scan.end).toMatchObject({ rows: 50, cursor: null });
  });

  test.each(['noEnd', 'short', 'broken', 'error'] as const)(
    'that ends as "%s" is a fault, never silently short',
    async (how) => {
      await using site = await filled();
      site.scanEnd = how;
      await using db = await connect([site.url]);
      const fault: unknown = await all(db.scan(things, {})).catch((e: unknown) => e);
      expect(isFault(fault, how === 'error' ? 'corrupt' : 'unknown')).toBe(true);
    },
  );

  test('goes to another site when the first does not answer', async () => {
    await using site = await filled();
    await using db = await connect(['http://127.0.0.1:1', site.url]);
    expect(await all(db.scan(things, {}))).toHaveLength(50);
  });
});

describe('a read', () => {
  test('of a row that is not there is null', async () => {
    await using site = await ScriptedSite.start();
    await using db = await connect([site.url]);
    expect(await db.get(things, { k: 'nobody' })).toBeNull();
  });

  test('of a table that is not there is refused, and not taken for a row that is gone', async () => {
    await using site = await ScriptedSite.start();
    site.hasTable = false;
    await using db = await connect([site.url]);
    await expect(db.get(things, { k: 'nobody' })).rejects.toMatchObject({ kind: 'notFound' });
  });

  test('has every column, null where the cell has no value', async () => {
    await using site = await ScriptedSite.start();
    await using db = await connect([site.url]);
    await db.put(things, { k: 'a/b?c' });
    expect(await db.get(things, { k: 'a/b?c' })).toEqual({ k: 'a/b?c', n: null });
  });

  test('at a site by its name asks that site, and for the write it must contain', async () => {
    await using paris = await ScriptedSite.start('paris');
    await using tokyo = await ScriptedSite.start('tokyo');
    await using db = await connect([paris.url, tokyo.url]);
    const receipt = await db.put(things, { k: 'a' });
    await db.visible(receipt, { at: 'tokyo' });
    expect(tokyo.headers.at(-1)).toMatchObject({ 'tidemark-at-least': receipt.token });
  });

  test('at a site nobody knows names the sites there are', async () => {
    await using paris = await ScriptedSite.start('paris');
    await using db = await connect([paris.url]);
    await expect(db.get(things, { k: 'a' }, { at: 'pariss' })).rejects.toThrow(/"pariss".*paris at http/);
  });
});

test('an address that is none is refused, naming it', async () => {
  await expect(connect(['localhost:7410'])).rejects.toThrow(/"localhost:7410", expected an address like http/);
  await expect(connect([])).rejects.toThrow(/no site address/);
});
