import { topicNames } from '@tidemark/model/table';
import type { FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { get, HttpSite, job, KEYSPACE, partitionOfKey } from '../testing/http-harness.ts';
import { PartitionMaker, sampleKeyspace } from '../testing/log-maker.ts';

let site: HttpSite;
beforeEach(async () => {
  site = await HttpSite.make();
});
afterEach(() => site[Symbol.asyncDispose]());

describe('replay', () => {
  const request = { kind: 'replay', keyspace: 'ks', table: 't' };

  async function filled(app: FastifyInstance): Promise<string> {
    const rows = Array.from({ length: 20 }, (_, v) => ({ k: `k${v % 7}`, v }));
    const token = await site.write(...rows);
    await get(app, '/v1/ks/t/rows/none', token);
    return token;
  }

  const digests = async (app: FastifyInstance): Promise<{ tables: { t: object }; scratch: { s?: object } }> =>
    (await get(app, '/v1/internal/digest/ks')).json as { tables: { t: object }; scratch: { s?: object } };

  it('into a scratch table makes the same rows, readable under its name', async () => {
    await using served = await site.serve();
    await filled(served.app);
    expect(await job(served.app, { ...request, into: 's' })).toMatchObject({ state: 'done', records: 20, rows: 20 });
    const { tables, scratch } = await digests(served.app);
    expect(scratch.s).toEqual(tables.t);
    expect((await get(served.app, '/v1/ks/s/rows/k6')).json).toEqual({ k: 'k6', v: 13 });
  });

  it('into the same table changes nothing', async () => {
    await using served = await site.serve();
    await filled(served.app);
    const before = await digests(served.app);
    expect(await job(served.app, request)).toMatchObject({ state: 'done', records: 20 });
    expect(await digests(served.app)).toEqual(before);
  });

  it("takes every site's records unless one is named, and none beyond an epoch end", async () => {
    await using served = await site.serve();
    await site.write({ k: 'a', v: 1 });
    const partition = partitionOfKey('a');
    const paris = site.makers[partition]!;
    const epochEnd = { origin: 'paris', epoch: 1, endSeq: paris.at.seq, chain: paris.chain };
    served.service.closed('ks', partition, 'paris', paris.at);
    await site.write({ k: 'a', w: 'beyond' });
    const tokyo = new PartitionMaker(KEYSPACE, 'tokyo', partition);
    const mirror = topicNames.mirror('ks', 'tokyo');
    await site.log.ensureTopic({ name: mirror, partitions: 2, genesis: null, flushed: true });
    for (const value of [tokyo.genesis(), tokyo.start(2, epochEnd), tokyo.rows([{ k: 'a', v: 2 }])]) {
      await site.log.append(mirror, partition, [{ value }]);
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
    await using served = await site.serve();
    await filled(served.app);
    await site.append(0, Buffer.from('junk'));
    await site.append(
      0,
      site.makers[0]!.rows([
        { k: 'x', v: 1 },
        { k: 'y', v: 1 },
      ]),
    );
    await get(served.app, '/v1/ks/t/rows/none', `ks/paris/0=1:${site.makers[0]!.at.seq}`);
    const done = await job(served.app, { ...request, into: 's', dryRun: true });
    expect(done).toMatchObject({ state: 'done', records: 21, rows: 22 });
    expect(done.verdicts).toMatchObject({ IGNORE: { records: 1, rows: 0 }, LOCAL: { records: 2, rows: 0 } });
    expect((await get(served.app, '/v1/ks/s/rows/k1')).status).toBe(404);
  });

  it('takes a range by offset, position and count', async () => {
    await using served = await site.serve();
    await filled(served.app);
    const perPartition = site.makers.map(({ at }) => at.seq);
    const records = async (change: object): Promise<unknown> =>
      (await job(served.app, { ...request, dryRun: true, ...change })).records;
    const wanted = (count: (seq: number) => number): number => perPartition.reduce((sum, seq) => sum + count(seq), 0);
    expect(await records({ from: '1:3', to: '1:5' })).toBe(wanted((seq) => Math.max(0, Math.min(seq, 4) - 2)));
    expect(await records({ from: '-2' })).toBe(4);
    expect(await records({ from: ':4' })).toBe(4);
    expect(await records({ from: '+4', to: 'end' })).toBe(wanted((seq) => seq - 2));
    expect(await records({ from: 'then' })).toBeUndefined();
  });

  it('of a log that cannot be read through is refused, naming the place, and counts nothing as whole', async () => {
    const stuck: unknown[] = [];
    await using served = await site.serve({ onStuck: (...place) => stuck.push(place) });
    await filled(served.app);
    const { seq } = site.makers[0]!.at;
    const lost = site.makers[0]!.rows([{ k: 'x', v: 1 }]);
    const behind = site.makers[0]!.rows([{ k: 'y', v: 1 }]);
    await site.append(0, behind);
    const refused = await job(served.app, { ...request, dryRun: true });
    expect(refused).toMatchObject({ state: 'failed', error: { kind: 'unavailable' } });
    expect((refused.error as { message: string }).message).toMatch(
      new RegExp(`log\\.paris/0 cannot be read through here: what follows 1:${seq} is damaged or missing`),
    );
    expect(stuck).toEqual([['ks', 'paris', 0, expect.objectContaining({ epoch: 1, seq })]]);
    expect(await job(served.app, { ...request, dryRun: true, to: '4' })).toMatchObject({ state: 'done' });
    for (const value of [lost, behind]) await site.append(0, value);
    await get(served.app, '/v1/ks/t/rows/none', `ks/paris/0=1:${site.makers[0]!.at.seq}`);
    expect(await job(served.app, { ...request, dryRun: true })).toMatchObject({ state: 'done', records: 22 });
  });

  it('resumes where it was killed, and does nothing twice', async () => {
    await using served = await site.serve();
    await filled(served.app);
    await job(served.app, { ...request, into: 's', to: '5' });
    const done = await job(served.app, { ...request, into: 's', resume: true });
    expect(done).toMatchObject({ state: 'done', verdicts: { RESUMED: { records: 8 } } });
    const { tables, scratch } = await digests(served.app);
    expect(scratch.s).toEqual(tables.t);
    expect(await job(served.app, { ...request, resume: true })).toMatchObject({ status: 400 });
  });

  it('empties the scratch table first when it does not resume', async () => {
    await using served = await site.serve();
    await filled(served.app);
    await job(served.app, { ...request, into: 's' });
    expect(await job(served.app, { ...request, into: 's', to: '3' })).toMatchObject({ records: 2, rows: 2 });
    expect((await digests(served.app)).scratch.s).toMatchObject({ rows: 2 });
  });

  it('leaves out what is not committed', async () => {
    const sync = sampleKeyspace({ ack: { name: 'sync', k: 1 } });
    await using served = await site.serve({}, sync);
    await site.write({ k: 'a', v: 1 }, { k: 'b', v: 2 });
    const done = await job(served.app, { ...request, into: 's' });
    expect(done).toMatchObject({ state: 'done', records: 0, rows: 0, verdicts: { UNCOMMITTED: { rows: 2 } } });
  });

  it('refuses a field it does not know, a real table as scratch, and an origin there is not', async () => {
    await using served = await site.serve();
    const refused = [
      [{ form: 'start' }, 'invalid'],
      [{ into: 'T' }, 'invalid'],
      [{ origin: 'oslo' }, 'invalid'],
      [{ table: 'no' }, 'notFound'],
      [{ kind: 'bake' }, 'invalid'],
    ] as const;
    for (const [change, kind] of refused) {
      const answer = await job(served.app, { ...request, ...change });
      expect([change, answer.kind]).toEqual([change, kind]);
    }
  });

  it('keeps scratch tables over a restart', async () => {
    {
      await using served = await site.serve();
      await filled(served.app);
      await job(served.app, { ...request, into: 's' });
    }
    await using served = await site.serve();
    expect((await get(served.app, '/v1/ks/s/rows/k6')).json).toEqual({ k: 'k6', v: 13 });
  });
});
