import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { keyFromSegments } from '@tidemark/columnar/json-rows';
import { partitionOf } from '@tidemark/model/hash';
import { NodeDisk } from '@tidemark/platform/node-disk';
import type { FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ApplierParts } from './applier-service.ts';
import { get, HttpSite, KEYSPACE, partitionOfKey } from './testing/http-harness.ts';
import { PartitionMaker, sampleKeyspace } from './testing/log-maker.ts';

const POST = { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } };

let site: HttpSite;
beforeEach(async () => {
  site = await HttpSite.make();
});
afterEach(() => site[Symbol.asyncDispose]());

describe('reading rows', () => {
  it('gives one row by its whole key, and 404 where there is none', async () => {
    await using served = await site.serve();
    const token = await site.write({ k: 'a/b é', v: 7, w: 'x' });
    const { status, json, headers } = await get(served.app, `/v1/ks/t/rows/${encodeURIComponent('a/b é')}`, token);
    expect([status, json]).toEqual([200, { k: 'a/b é', v: 7, w: 'x' }]);
    expect(headers).toMatchObject({ 'tidemark-site': 'paris', 'tidemark-epoch': '1' });
    expect(await get(served.app, '/v1/ks/t/rows/none')).toMatchObject({ status: 404, json: { kind: 'notFound' } });
    expect((await get(served.app, '/v1/ks/nope/rows/a')).status).toBe(404);
    expect((await get(served.app, '/v1/nope/t/rows/a')).status).toBe(404);
  });

  it('gives a range by a shorter key, page by page, every row once', async () => {
    const base = KEYSPACE.tables[0]!;
    const wide = {
      ...base,
      columns: [...base.columns, { id: 4, name: 's', type: { name: 'int' as const }, dropped: false }],
      key: [1, 4],
    };
    const keyspace = sampleKeyspace({ tables: [wide] });
    await using served = await site.serve({}, keyspace);
    const partition = partitionOf(keyFromSegments(wide, ['p']), 2);
    const maker = new PartitionMaker(keyspace, 'paris', partition);
    maker.genesis();
    maker.start(1);
    for (const s of [3, -1, 2, 9, 0])
      await site.append(
        partition,
        maker.rows([
          { k: 'p', s, v: s },
          { k: 'p', s: 77, $delete: true },
        ]),
      );
    const token = `ks/paris/${partition}=1:5`;
    const seen: unknown[] = [];
    let cursor = '';
    do {
      const { json } = await get(served.app, `/v1/ks/t/rows/p?limit=2${cursor}`, token);
      seen.push(...(json.rows as { s: number }[]).map(({ s }) => s));
      cursor = json.cursor === null ? '' : `&cursor=${String(json.cursor)}`;
    } while (cursor !== '');
    expect(seen).toEqual([-1, 0, 2, 3, 9]);
    expect((await get(served.app, '/v1/ks/t/rows/p?limit=0')).status).toBe(400);
    expect((await get(served.app, '/v1/ks/t/rows/q?cursor=cAAB')).status).toBe(400);
  });

  it('gives no more of a range at once than so many bytes, and goes on behind it', async () => {
    const base = KEYSPACE.tables[0]!;
    const wide = {
      ...base,
      columns: [...base.columns, { id: 4, name: 's', type: { name: 'int' as const }, dropped: false }],
      key: [1, 4],
    };
    const keyspace = sampleKeyspace({ tables: [wide] });
    await using served = await site.serve({}, keyspace);
    const partition = partitionOf(keyFromSegments(wide, ['p']), 2);
    const maker = new PartitionMaker(keyspace, 'paris', partition);
    maker.genesis();
    maker.start(1);
    const w = 'x'.repeat(200_000);
    for (let s = 0; s < 12; s++) await site.append(partition, maker.rows([{ k: 'p', s, w }]));
    const first = await get(served.app, '/v1/ks/t/rows/p', `ks/paris/${partition}=1:12`);
    const rest = await get(served.app, `/v1/ks/t/rows/p?cursor=${String(first.json.cursor)}`);
    const seen = [first, rest].map(({ json }) => (json.rows as { s: number }[]).map(({ s }) => s));
    expect([seen[0]!.length, rest.json.cursor]).toEqual([11, null]);
    expect(seen.flat()).toEqual(Array.from({ length: 12 }, (_, s) => s));
  });

  it('waits for the write a token names, and says how far it came when that is too long', async () => {
    await using served = await site.serve();
    const token = await site.write({ k: 'a', v: 1 });
    expect((await get(served.app, '/v1/ks/t/rows/a', token)).json).toEqual({ k: 'a', v: 1 });
    const later = `ks/paris/${partitionOfKey('a')}=1:2`;
    const tooLate = await get(served.app, '/v1/ks/t/rows/a?timeoutMs=20', later);
    expect(tooLate).toMatchObject({ status: 503, json: { kind: 'unavailable' } });
    expect(tooLate.json.detail).toContain('wanted 1:2, reached 1:1');
    const waiting = get(served.app, '/v1/ks/t/rows/a', later);
    await site.write({ k: 'a', v: 2 });
    expect((await waiting).json).toEqual({ k: 'a', v: 2 });
    expect((await get(served.app, '/v1/ks/t/rows/a', 'nonsense')).status).toBe(400);
    expect((await get(served.app, '/v1/ks/t/rows/a', 'other/paris/0=1:1')).status).toBe(400);
  });

  it('reads at the primary only what a barrier asked for afterwards covers, and elsewhere says where', async () => {
    let calls = 0;
    const parts: Partial<ApplierParts> = {
      requestBarrier: async () => {
        calls++;
        await site.append(0, site.makers[0]!.barrier(site.makers.map(({ at }) => at.seq)));
        served.service.committed('ks', 0, 'paris', site.makers[0]!.at);
      },
    };
    await using served = await site.serve(parts);
    await site.write({ k: 'a', v: 1 });
    const { json, headers } = await get(served.app, '/v1/ks/t/rows/a?read=primary');
    expect([calls, json]).toEqual([1, { k: 'a', v: 1 }]);
    expect(headers['tidemark-as-of']).toMatch(/^\d+\.\d+$/);
    await using other = await site.serve({
      site: 'tokyo',
      disk: new NodeDisk(join(site.folder, 'x')),
      primaryUrl: () => 'http://p',
    });
    expect(await get(other.app, '/v1/ks/t/rows/a?read=primary')).toMatchObject({
      status: 307,
      json: { kind: 'notLeader' },
      headers: { location: 'http://p' },
    });
  });
});

describe('scanning', () => {
  const lines = (body: string): Record<string, unknown>[] =>
    body
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));

  async function scan(app: FastifyInstance, query: object, table = 't'): Promise<{ status: number; body: string }> {
    const reply = await app.inject({ method: 'POST', url: `/v1/ks/${table}/scan`, payload: query });
    return { status: reply.statusCode, body: reply.body };
  }

  it('gives rows as lines and ends with their count', async () => {
    await using served = await site.serve();
    const token = await site.write({ k: 'a', v: 1, w: 'x' }, { k: 'b', v: 2 }, { k: 'c', v: 3, w: 'y' });
    await get(served.app, '/v1/ks/t/rows/a', token);
    const { status, body } = await scan(served.app, {
      select: ['k', 'w'],
      where: [['v', '>', 1]],
      orderBy: [['k', 'desc']],
    });
    expect(status).toBe(200);
    expect(lines(body)).toMatchObject([
      { k: 'c', w: 'y' },
      { k: 'b', w: null },
      { $end: { rows: 2, scanned: 3, cursor: null } },
    ]);
    const counted = await scan(served.app, { select: [{ count: '*', as: 'n' }] });
    expect(lines(counted.body)[0]).toEqual({ n: 3 });
  });

  it('refuses a query that is none before anything is sent', async () => {
    await using served = await site.serve();
    expect((await scan(served.app, { select: ['nope'] })).status).toBe(400);
    expect((await scan(served.app, { selec: ['k'] })).status).toBe(400);
    expect((await scan(served.app, {}, 'nope')).status).toBe(404);
  });

  it('says so in its last line, and closes the socket, when stored bytes turn out to be wrong on the way', async () => {
    await using served = await site.serve();
    const token = await site.write(...Array.from({ length: 40 }, (_, i) => ({ k: `k${i}`, v: i })));
    await get(served.app, '/v1/ks/t/rows/a', token);
    await served.service.flush();
    const segment = join(
      site.folder,
      'ks/t/1',
      (await readdir(join(site.folder, 'ks/t/1'))).find((name) => name.startsWith('seg-'))!,
    );
    const file = join(segment, (await readdir(segment)).find((name) => name.endsWith('v.col'))!);
    const bytes = await readFile(file);
    bytes.fill(0x5a, 0, bytes.length >> 1);
    await writeFile(file, bytes);
    const url = await served.app.listen({ port: 0, host: '127.0.0.1' });
    const reply = await fetch(`${url}/v1/ks/t/scan`, POST);
    let body = '';
    const broken = await (async () => {
      for await (const chunk of reply.body!) body += Buffer.from(chunk).toString();
    })().then(
      () => false,
      () => true,
    );
    expect(broken).toBe(true);
    expect(lines(body).at(-1)).toMatchObject({ $error: { kind: 'corrupt' } });
  });
});

describe('digest', () => {
  it('is equal at two sites with equal positions, and names them', async () => {
    await using paris = await site.serve();
    await using again = await site.serve({ disk: new NodeDisk(join(site.folder, 'again')) });
    const token = await site.write({ k: 'a', v: 1 }, { k: 'b', v: 2 }, { k: 'a', v: 3 });
    for (const { app } of [paris, again]) await get(app, '/v1/ks/t/rows/a', token);
    const one = (await get(paris.app, '/v1/internal/digest/ks')).json as { tables: { t: { rows: number } } };
    const two = (await get(again.app, '/v1/internal/digest/ks')).json;
    expect(one).toEqual(two);
    expect(one.tables.t.rows).toBe(2);
    const { positions } = (await get(paris.app, '/v1/internal/positions/ks')).json as { positions: object };
    expect(one).toMatchObject({ positions });
  });
});
