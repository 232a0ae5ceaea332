import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Jobs } from '@tidemark/jobs/jobs';
import { registerJobRoutes } from '@tidemark/jobs/jobs-http';
import { SimLog, SimLogStore } from '@tidemark/log/sim-log';
import { partitionOf } from '@tidemark/schema/hash';
import { keyFromSegments } from '@tidemark/schema/json-rows';
import { type Keyspace, topicNames } from '@tidemark/schema/table';
import { isFault } from '@tidemark/world/fault';
import { SILENT } from '@tidemark/world/logger';
import { NodeDisk } from '@tidemark/world/node-disk';
import { SystemRandom } from '@tidemark/world/random';
import { SimClock } from '@tidemark/world/sim-clock';
import { SystemClock } from '@tidemark/world/system-clock';
import { type FastifyInstance, fastify } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CLUSTER, PartitionMaker, sampleKeyspace } from './log-maker.ts';
import { type ApplierParts, ApplierService } from './main.ts';

const KEYSPACE = sampleKeyspace();
const POST = { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } };
const LOG = topicNames.log('ks', 'paris');
const STATUS = { invalid: 400, fenced: 409, unavailable: 503, unknown: 504, corrupt: 500 } as const;

let folder = '';
let store: SimLogStore;
let log: SimLog;
let makers: PartitionMaker[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'applier-http-'));
  store = new SimLogStore(new SimClock());
  log = new SimLog(store);
  makers = [0, 1].map((partition) => new PartitionMaker(KEYSPACE, 'paris', partition));
  await log.ensureTopic({ name: LOG, partitions: 2, genesis: (p) => makers[p]!.genesis(), flushed: true });
  for (const maker of makers) await append(maker.partition, maker.start(1));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

async function append(partition: number, value: Buffer): Promise<void> {
  await log.append(LOG, partition, [{ value }]);
}

const partitionOfKey = (k: string): number => partitionOf(keyFromSegments(KEYSPACE.tables[0]!, [k]), 2);

/** Writes rows where they belong; returns a token for them. */
async function write(...rows: { k: string; v?: number; w?: string }[]): Promise<string> {
  for (const row of rows) await append(partitionOfKey(row.k), makers[partitionOfKey(row.k)]!.rows([row]));
  return `ks/paris/${makers.map(({ partition, at }) => `${partition}=${at.epoch}:${at.seq}`).join()}`;
}

async function serve(change: Partial<ApplierParts> = {}, keyspace: Keyspace = KEYSPACE): Promise<Served> {
  const service = new ApplierService({
    cluster: CLUSTER,
    site: 'paris',
    log,
    disk: new NodeDisk(folder),
    clock: new SystemClock(),
    logger: SILENT,
    onFatal: (error) => {
      throw error;
    },
    ...change,
  });
  await service.start(keyspace);
  const app = fastify();
  app.setErrorHandler((error, _request, reply) => {
    if (!isFault(error)) return reply.code(500).send({ detail: String(error) });
    const { location } = error.details;
    if (location !== undefined) void reply.header('location', location);
    return reply.code(error.details.status ?? STATUS[error.kind]).send({ kind: error.kind, detail: error.message });
  });
  service.register(app);
  const jobs = new Jobs(new SystemClock(), new SystemRandom());
  registerJobRoutes(app, jobs, service.jobKinds());
  const stop = async (): Promise<void> => {
    await app.close();
    await jobs[Symbol.asyncDispose]();
    await service[Symbol.asyncDispose]();
  };
  return { app, service, [Symbol.asyncDispose]: stop };
}

type Served = AsyncDisposable & { readonly app: FastifyInstance; readonly service: ApplierService };
type Answer = { status: number; json: Record<string, unknown>; headers: Record<string, unknown> };

async function get(app: FastifyInstance, url: string, atLeast?: string): Promise<Answer> {
  const headers = atLeast === undefined ? {} : { 'tidemark-at-least': atLeast };
  const reply = await app.inject({ method: 'GET', url, headers });
  return { status: reply.statusCode, json: reply.json(), headers: reply.headers };
}

/** Runs a job to its end and returns its last line. */
async function job(app: FastifyInstance, body: object): Promise<Record<string, unknown>> {
  const started = await app.inject({ method: 'POST', url: '/v1/jobs', payload: body });
  if (started.statusCode !== 202) return { status: started.statusCode, ...started.json() };
  const lines = (await app.inject({ url: `/v1/jobs/${started.json().id}` })).body.trim().split('\n');
  return JSON.parse(lines.at(-1)!);
}

describe('reading rows', () => {
  it('gives one row by its whole key, and 404 where there is none', async () => {
    await using served = await serve();
    const token = await write({ k: 'a/b é', v: 7, w: 'x' });
    const { status, json, headers } = await get(served.app, `/v1/ks/t/rows/${encodeURIComponent('a/b é')}`, token);
    expect([status, json]).toEqual([200, { k: 'a/b é', v: 7, w: 'x' }]);
    expect(headers).toMatchObject({ 'tidemark-site': 'paris', 'tidemark-epoch': '1' });
    expect(await get(served.app, '/v1/ks/t/rows/none')).toMatchObject({ status: 404, json: { kind: 'invalid' } });
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
    await using served = await serve({}, keyspace);
    const partition = partitionOf(keyFromSegments(wide, ['p']), 2);
    const maker = new PartitionMaker(keyspace, 'paris', partition);
    maker.genesis();
    maker.start(1);
    for (const s of [3, -1, 2, 9, 0])
      await append(
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

  it('waits for the write a token names, and says how far it came when that is too long', async () => {
    await using served = await serve();
    const token = await write({ k: 'a', v: 1 });
    expect((await get(served.app, '/v1/ks/t/rows/a', token)).json).toEqual({ k: 'a', v: 1 });
    const later = `ks/paris/${partitionOfKey('a')}=1:2`;
    const tooLate = await get(served.app, '/v1/ks/t/rows/a?timeoutMs=20', later);
    expect(tooLate).toMatchObject({ status: 503, json: { kind: 'unavailable' } });
    expect(tooLate.json.detail).toContain('wanted 1:2, reached 1:1');
    const waiting = get(served.app, '/v1/ks/t/rows/a', later);
    await write({ k: 'a', v: 2 });
    expect((await waiting).json).toEqual({ k: 'a', v: 2 });
    expect((await get(served.app, '/v1/ks/t/rows/a', 'nonsense')).status).toBe(400);
    expect((await get(served.app, '/v1/ks/t/rows/a', 'other/paris/0=1:1')).status).toBe(400);
  });

  it('reads at the primary only what a barrier asked for afterwards covers, and elsewhere says where', async () => {
    let calls = 0;
    const parts: Partial<ApplierParts> = {
      requestBarrier: async () => {
        calls++;
        await append(0, makers[0]!.barrier(makers.map(({ at }) => at.seq)));
        served.service.committed('ks', 0, 'paris', makers[0]!.at);
      },
    };
    await using served = await serve(parts);
    await write({ k: 'a', v: 1 });
    const { json, headers } = await get(served.app, '/v1/ks/t/rows/a?read=primary');
    expect([calls, json]).toEqual([1, { k: 'a', v: 1 }]);
    expect(headers['tidemark-as-of']).toMatch(/^\d+\.\d+$/);
    await using other = await serve({
      site: 'tokyo',
      disk: new NodeDisk(join(folder, 'x')),
      primaryUrl: () => 'http://p',
    });
    expect(await get(other.app, '/v1/ks/t/rows/a?read=primary')).toMatchObject({
      status: 307,
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
    await using served = await serve();
    const token = await write({ k: 'a', v: 1, w: 'x' }, { k: 'b', v: 2 }, { k: 'c', v: 3, w: 'y' });
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
    await using served = await serve();
    expect((await scan(served.app, { select: ['nope'] })).status).toBe(400);
    expect((await scan(served.app, { selec: ['k'] })).status).toBe(400);
    expect((await scan(served.app, {}, 'nope')).status).toBe(404);
  });

  it('says so in its last line, and closes the socket, when stored bytes turn out to be wrong on the way', async () => {
    await using served = await serve();
    const token = await write(...Array.from({ length: 40 }, (_, i) => ({ k: `k${i}`, v: i })));
    await get(served.app, '/v1/ks/t/rows/a', token);
    await served.service.flush();
    const segment = join(
      folder,
      'ks/t/1',
      (await readdir(join(folder, 'ks/t/1'))).find((name) => name.startsWith('seg-'))!,
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
    await using paris = await serve();
    await using again = await serve({ disk: new NodeDisk(join(folder, 'again')) });
    const token = await write({ k: 'a', v: 1 }, { k: 'b', v: 2 }, { k: 'a', v: 3 });
    for (const { app } of [paris, again]) await get(app, '/v1/ks/t/rows/a', token);
    const one = (await get(paris.app, '/v1/internal/digest/ks')).json as { tables: { t: { rows: number } } };
    const two = (await get(again.app, '/v1/internal/digest/ks')).json;
    expect(one).toEqual(two);
    expect(one.tables.t.rows).toBe(2);
    const { positions } = (await get(paris.app, '/v1/internal/positions/ks')).json as { positions: object };
    expect(one).toMatchObject({ positions });
  });
});

describe('replay', () => {
  const request = { kind: 'replay', keyspace: 'ks', table: 't' };

  async function filled(app: FastifyInstance): Promise<string> {
    const rows = Array.from({ length: 20 }, (_, v) => ({ k: `k${v % 7}`, v }));
    const token = await write(...rows);
    await get(app, '/v1/ks/t/rows/none', token);
    return token;
  }

  const digests = async (app: FastifyInstance): Promise<{ tables: { t: object }; scratch: { s?: object } }> =>
    (await get(app, '/v1/internal/digest/ks')).json as { tables: { t: object }; scratch: { s?: object } };

  it('into a scratch table makes the same rows, readable under its name', async () => {
    await using served = await serve();
    await filled(served.app);
    expect(await job(served.app, { ...request, into: 's' })).toMatchObject({ state: 'done', records: 20, rows: 20 });
    const { tables, scratch } = await digests(served.app);
    expect(scratch.s).toEqual(tables.t);
    expect((await get(served.app, '/v1/ks/s/rows/k6')).json).toEqual({ k: 'k6', v: 13 });
  });

  it('into the same table changes nothing', async () => {
    await using served = await serve();
    await filled(served.app);
    const before = await digests(served.app);
    expect(await job(served.app, request)).toMatchObject({ state: 'done', records: 20 });
    expect(await digests(served.app)).toEqual(before);
  });

  it("takes every site's records unless one is named, and none beyond a cut", async () => {
    await using served = await serve();
    await write({ k: 'a', v: 1 });
    const partition = partitionOfKey('a');
    const paris = makers[partition]!;
    const cut = { origin: 'paris', epoch: 1, cutSeq: paris.at.seq, chain: paris.chain };
    served.service.closed('ks', partition, 'paris', paris.at);
    await write({ k: 'a', w: 'beyond' });
    const tokyo = new PartitionMaker(KEYSPACE, 'tokyo', partition);
    const mirror = topicNames.mirror('ks', 'tokyo');
    await log.ensureTopic({ name: mirror, partitions: 2, genesis: null, flushed: true });
    for (const value of [tokyo.genesis(), tokyo.start(2, cut), tokyo.rows([{ k: 'a', v: 2 }])]) {
      await log.append(mirror, partition, [{ value }]);
    }
    await get(served.app, '/v1/ks/t/rows/a', `ks/tokyo/${partition}=2:1`);
    expect(await job(served.app, { ...request, into: 's' })).toMatchObject({ state: 'done', records: 2, rows: 2 });
    const { json } = await get(served.app, '/v1/internal/digest/ks');
    const { tables, scratch } = json as Record<'tables' | 'scratch', Record<string, { hash: string; rows: number }>>;
    expect(scratch.s).toEqual(tables.t);
    expect(await job(served.app, { ...request, into: 's', origin: 'tokyo' })).toMatchObject({ records: 1 });
    expect((await get(served.app, '/v1/ks/t/rows/a', `ks/paris/${partition}=1:2`)).status).toBe(409);
  });

  it('counts by verdict in a dry run and writes nothing', async () => {
    await using served = await serve();
    await filled(served.app);
    await append(0, Buffer.from('junk'));
    await append(
      0,
      makers[0]!.rows([
        { k: 'x', v: 1 },
        { k: 'y', v: 1 },
      ]),
    );
    await get(served.app, '/v1/ks/t/rows/none', `ks/paris/0=1:${makers[0]!.at.seq}`);
    const done = await job(served.app, { ...request, into: 's', dryRun: true });
    expect(done).toMatchObject({ state: 'done', records: 21, rows: 22 });
    expect(done.verdicts).toMatchObject({ IGNORE: { records: 1, rows: 0 }, LOCAL: { records: 2, rows: 0 } });
    expect((await get(served.app, '/v1/ks/s/rows/k1')).status).toBe(404);
  });

  it('takes a range by offset, position and count', async () => {
    await using served = await serve();
    await filled(served.app);
    const perPartition = makers.map(({ at }) => at.seq);
    const records = async (change: object): Promise<unknown> =>
      (await job(served.app, { ...request, dryRun: true, ...change })).records;
    const wanted = (count: (seq: number) => number): number => perPartition.reduce((sum, seq) => sum + count(seq), 0);
    expect(await records({ from: '1:3', to: '1:5' })).toBe(wanted((seq) => Math.max(0, Math.min(seq, 4) - 2)));
    expect(await records({ from: '-2' })).toBe(4);
    expect(await records({ from: ':4' })).toBe(4);
    expect(await records({ from: '+4', to: 'end' })).toBe(wanted((seq) => seq - 2));
    expect(await records({ from: 'then' })).toBeUndefined();
  });

  it('resumes where it was killed, and does nothing twice', async () => {
    await using served = await serve();
    await filled(served.app);
    await job(served.app, { ...request, into: 's', to: '5' });
    const done = await job(served.app, { ...request, into: 's', resume: true });
    expect(done).toMatchObject({ state: 'done', verdicts: { RESUMED: { records: 8 } } });
    const { tables, scratch } = await digests(served.app);
    expect(scratch.s).toEqual(tables.t);
    expect(await job(served.app, { ...request, resume: true })).toMatchObject({ status: 400 });
  });

  it('empties the scratch table first when it does not resume', async () => {
    await using served = await serve();
    await filled(served.app);
    await job(served.app, { ...request, into: 's' });
    expect(await job(served.app, { ...request, into: 's', to: '3' })).toMatchObject({ records: 2, rows: 2 });
    expect((await digests(served.app)).scratch.s).toMatchObject({ rows: 2 });
  });

  it('leaves out what is not committed', async () => {
    const sync = sampleKeyspace({ ack: { name: 'sync', k: 1 } });
    await using served = await serve({}, sync);
    await write({ k: 'a', v: 1 }, { k: 'b', v: 2 });
    const done = await job(served.app, { ...request, into: 's' });
    expect(done).toMatchObject({ state: 'done', records: 0, rows: 0, verdicts: { UNCOMMITTED: { rows: 2 } } });
  });

  it('refuses a field it does not know, a real table as scratch, and an origin there is not', async () => {
    await using served = await serve();
    for (const change of [{ form: 'start' }, { into: 'T' }, { origin: 'oslo' }, { table: 'no' }, { kind: 'bake' }]) {
      expect((await job(served.app, { ...request, ...change })).kind).toBe('invalid');
    }
  });

  it('keeps scratch tables over a restart', async () => {
    {
      await using served = await serve();
      await filled(served.app);
      await job(served.app, { ...request, into: 's' });
    }
    await using served = await serve();
    expect((await get(served.app, '/v1/ks/s/rows/k6')).json).toEqual({ k: 'k6', v: 13 });
  });
});
