import { encodeControl } from '@tidemark/control/audit/control-record';
import { type Decision, NOTHING_ELSE } from '@tidemark/control/audit/decision';
import { SimLog, SimLogStore } from '@tidemark/log/sim/sim-log';
import { topicNames } from '@tidemark/model/table';
import { Peer } from '@tidemark/peer/peer';
import { placeOf } from '@tidemark/peer/place';
import { Fault } from '@tidemark/platform/fault';
import { SILENT } from '@tidemark/platform/logger';
import type { Answer, Network } from '@tidemark/platform/network';
import { SimClock } from '@tidemark/platform/sim/sim-clock';
import { fastify } from 'fastify';
import { describe, expect, it } from 'vitest';
import { Decisions } from './decisions.ts';

function decision(id: string, change: Partial<Decision> = {}): Decision {
  const base = { id, atMs: 1_700_000_000_000, site: 'tokyo', keyspace: 'travel', kind: 'failover' } as const;
  return { ...NOTHING_ELSE, ...base, outcome: 'begun', rule: '', words: 'paris is lost', to: 'tokyo', ...change };
}

/** Sites whose control logs outlive what reads them; each is asked by the others for its history. */
function world(sites: readonly string[] = ['tokyo']) {
  const clock = new SimClock();
  const stores = new Map(sites.map((site) => [site, new SimLogStore(clock)]));
  const apps = new Map<string, ReturnType<typeof fastify>>();
  const open: Decisions[] = [];
  const network: Network = {
    async *lines() {},
    async ask(url): Promise<Answer> {
      const [, site, path] = /^site:\/\/(\w+)(\/.*)$/.exec(url)!;
      const app = apps.get(site!);
      if (app === undefined) throw new Fault('unknown', `${url}: no answer`);
      const { statusCode, body } = await app.inject({ url: path! });
      return { status: statusCode, body: JSON.parse(body) };
    },
  };
  const start = async (site: string, makeTopic = true): Promise<Decisions> => {
    const log = new SimLog(stores.get(site)!, site);
    if (makeTopic) await log.ensureTopic({ name: topicNames.control, partitions: 1, genesis: null, flushed: true });
    const onFatal = (error: unknown) => {
      throw error;
    };
    const watcherAt = (name: string): Peer => new Peer(network, placeOf(name));
    const parts = { cluster: 'c', site, log, sites: [...sites, 'gone'], watcherAt, clock };
    const decisions = new Decisions({ ...parts, logger: SILENT, onFatal });
    decisions.start();
    open.push(decisions);
    const app = fastify();
    decisions.register(app);
    apps.set(site, app);
    return decisions;
  };
  const ask = async (site: string, path: string) => {
    const { statusCode, body } = await apps.get(site)!.inject({ url: path });
    return { status: statusCode, body: JSON.parse(body) };
  };
  const stop = async (): Promise<void> => {
    await Promise.all(open.map((one) => one[Symbol.asyncDispose]()));
  };
  return { clock, stores, start, ask, [Symbol.asyncDispose]: stop };
}

describe('decisions', () => {
  it('are told at once and again after a restart, newest first, parts joined', async () => {
    await using w = world();
    const before = await w.start('tokyo');
    before.record(decision('a'));
    before.record(decision('b', { atMs: 1_700_000_001_000, kind: 'pause' }));
    before.record(decision('a', { outcome: 'done', epoch: 2 }));
    const told = before.history();
    expect(told.map(({ id, outcome }) => [id, outcome])).toEqual([
      ['b', 'begun'],
      ['a', 'done'],
    ]);
    await w.clock.advance(2_000);
    await before[Symbol.asyncDispose]();
    const after = await w.start('tokyo');
    await w.clock.advance(2_000);
    expect(after.history()).toEqual(told);
  });

  it('wait for a control log that is away, and for one that does not say whether it took them', async () => {
    await using w = world();
    const before = await w.start('tokyo');
    const store = w.stores.get('tokyo')!;
    store.reachable = false;
    before.record(decision('a'));
    await w.clock.advance(60_000);
    expect(before.history()).toHaveLength(1);
    let asked = 0;
    store.fate = () => (asked++ === 0 ? { answer: 'unknown', lands: 'now' } : { answer: 'stored' });
    store.reachable = true;
    await w.clock.advance(3_000);
    await before[Symbol.asyncDispose]();
    const after = await w.start('tokyo');
    await w.clock.advance(2_000);
    expect(after.history()).toEqual([decision('a')]);
    expect(asked).toBe(2);
  });

  it('of another process of the site are seen too, and records that are none or of other sites are not', async () => {
    await using w = world();
    const [one, other] = [await w.start('tokyo'), await w.start('tokyo')];
    one.record(decision('a'));
    const log = new SimLog(w.stores.get('tokyo')!, 'tokyo');
    const body = { kind: 'Decision', id: 'x', decision: '{"id":"x"}' } as const;
    const place = { cluster: 'c', site: 'tokyo', keyspace: 'travel', timeMs: 1 };
    const foreign = { ...body, decision: JSON.stringify(decision('y')) };
    await log.append(topicNames.control, 0, [
      { value: encodeControl({ ...place, body }) },
      { value: encodeControl({ ...place, site: 'paris', body: foreign }) },
      { value: Buffer.from('nothing') },
    ]);
    await w.clock.advance(2_000);
    expect(other.history()).toEqual([decision('a')]);
  });

  it('are waited for where the topic is made later', async () => {
    await using w = world();
    const early = await w.start('tokyo', false);
    early.record(decision('a'));
    await w.clock.advance(3_000);
    const log = new SimLog(w.stores.get('tokyo')!, 'tokyo');
    await log.ensureTopic({ name: topicNames.control, partitions: 1, genesis: null, flushed: true });
    await w.clock.advance(3_000);
    const later = await w.start('tokyo');
    await w.clock.advance(2_000);
    expect(later.history()).toEqual([decision('a')]);
  });

  it('at most a thousand parts are kept', async () => {
    await using w = world();
    const decisions = await w.start('tokyo');
    for (let i = 0; i < 1_200; i++) decisions.record(decision(`d${i}`, { atMs: 1_700_000_000_000 + i }));
    expect(decisions.history()).toHaveLength(1_000);
    expect(decisions.history()[0]!.id).toBe('d1199');
  });

  it('over HTTP: of this site, of all that answer, or one of them with its explanation', async () => {
    await using w = world(['tokyo', 'quito']);
    const [tokyo, quito] = [await w.start('tokyo'), await w.start('quito')];
    quito.record(decision('a', { site: 'quito' }));
    tokyo.record(decision('a', { outcome: 'done', epoch: 2, from: 'paris' }));
    tokyo.record(decision('b', { keyspace: 'trips', atMs: 1_700_000_001_000 }));
    const outcomes = (body: { decisions: Decision[] }) => body.decisions.map(({ id, outcome }) => `${id} ${outcome}`);
    expect(outcomes((await w.ask('quito', '/v1/history')).body)).toEqual(['a begun']);
    expect(outcomes((await w.ask('quito', '/v1/history?all')).body)).toEqual(['b begun', 'a done']);
    expect(outcomes((await w.ask('quito', '/v1/history?all&keyspace=travel')).body)).toEqual(['a done']);
    const one = await w.ask('tokyo', '/v1/history/a');
    expect(one.body.explanation).toContain('keyspace travel moved from paris to tokyo');
    expect((await w.ask('tokyo', '/v1/history/zz')).status).not.toBe(200);
  });
});
