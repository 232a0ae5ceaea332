import { SimLog, SimLogStore } from '@tidemark/log/sim/sim-log';
import { type Keyspace, topicNames } from '@tidemark/model/table';
import { travelKeyspace } from '@tidemark/model/testing/travel';
import { isFault } from '@tidemark/platform/fault';
import { SILENT } from '@tidemark/platform/logger';
import { SimClock } from '@tidemark/platform/sim/sim-clock';
import { describe, expect, it } from 'vitest';
import { SiteCatalog } from './catalog.ts';

const SITES = ['paris', 'tokyo', 'quito'];

function travel(partitions = 4): Keyspace {
  const sites = { paris: 'data', tokyo: 'data', quito: 'data' } as const;
  return travelKeyspace({ sites, partitions });
}

/** Sites whose logs outlive their catalogues. */
function world() {
  const clock = new SimClock();
  const stores = new Map(SITES.map((site) => [site, new SimLogStore(clock)]));
  const open: SiteCatalog[] = [];
  const start = (site: string, options: { writes?: boolean; held?: readonly string[] } = {}) => {
    const log = new SimLog(stores.get(site)!, site);
    const remotes = new Map(SITES.filter((s) => s !== site).map((s) => [s, new SimLog(stores.get(s)!, s)]));
    const told: Keyspace[] = [];
    const catalog = new SiteCatalog({
      cluster: 'c',
      site,
      log,
      remotes,
      clock,
      logger: SILENT,
      ensureTopic: () => log.ensureTopic({ name: topicNames.control, partitions: 1, genesis: null, flushed: true }),
      held: async () => options.held ?? [],
      onKeyspace: (keyspace) => told.push(keyspace),
      onFatal: (error) => {
        throw error;
      },
      writes: options.writes ?? true,
    });
    catalog.start();
    open.push(catalog);
    return { catalog, told };
  };
  const stop = async (): Promise<void> => {
    await Promise.all(open.map((catalog) => catalog[Symbol.asyncDispose]()));
  };
  return { clock, stores, start, [Symbol.asyncDispose]: stop };
}

/** Paris has defined the keyspace, Tokyo has learnt of it, and both are stopped. */
async function definedAndStopped(w: ReturnType<typeof world>): Promise<void> {
  const [paris, tokyo] = ['paris', 'tokyo'].map((site) => w.start(site));
  await w.clock.advance(1_000);
  await paris!.catalog.create(travel(), 5_000);
  await w.clock.advance(2_000);
  for (const one of [paris!, tokyo!]) await one.catalog[Symbol.asyncDispose]();
}

describe('site catalogue', () => {
  it('a keyspace defined at one site is told once at every site', async () => {
    await using w = world();
    const started = SITES.map((site) => w.start(site));
    await w.clock.advance(1_000);
    await started[0]!.catalog.create(travel(), 5_000);
    await w.clock.advance(2_000);
    expect(started.map((one) => one.told)).toEqual(SITES.map(() => [travel()]));
  });

  it('a site that has learnt of a keyspace knows it after a restart, with all others away', async () => {
    await using w = world();
    const paris = w.start('paris');
    const tokyo = w.start('tokyo');
    await w.clock.advance(1_000);
    await paris.catalog.create(travel(), 5_000);
    await w.clock.advance(2_000);
    await tokyo.catalog[Symbol.asyncDispose]();
    for (const site of ['paris', 'quito']) w.stores.get(site)!.reachable = false;
    const again = w.start('tokyo');
    await w.clock.advance(1_000);
    expect(again.told).toEqual([travel()]);
  });

  it('a site that lost its disks says what there is only once it has heard the sites it is asked about', async () => {
    await using w = world();
    await definedAndStopped(w);
    w.stores.get('paris')!.wipe();
    w.stores.get('tokyo')!.reachable = false;
    const { catalog } = w.start('paris');
    await w.clock.advance(1_000);
    expect([catalog.keyspaces(), catalog.unheard]).toEqual([[], ['tokyo']]);
    const refused = catalog.complete(SITES, 2_000).catch((error: unknown) => error);
    await w.clock.advance(3_000);
    expect(await refused).toSatisfy(
      (error) => isFault(error, 'unavailable') && /of tokyo could not/.test(error.message),
    );
    await catalog.complete(['paris', 'quito'], 2_000);
    w.stores.get('tokyo')!.reachable = true;
    const heard = catalog.complete(SITES, 2_000);
    await w.clock.advance(3_000);
    await heard;
    expect([catalog.keyspaces(), catalog.unheard]).toEqual([[travel()], []]);
  });

  it('a site whose own control log has a damaged record, or lacks what its folder has, says so until one that is whole was heard', async () => {
    await using w = world();
    await definedAndStopped(w);
    const { records } = w.stores.get('paris')!.topic(topicNames.control)!.partitions[0]!;
    const at = records.findIndex(({ value }) => Buffer.from(value).includes('travel'));
    const value = Uint8Array.from(records[at]!.value);
    value[20]! ^= 4;
    records[at] = { ...records[at]!, value };
    for (const site of ['tokyo', 'quito']) w.stores.get(site)!.reachable = false;
    const { catalog } = w.start('paris');
    await w.clock.advance(1_000);
    expect(catalog.lacking).toMatch(
      /^tidemark.control at paris has a record that cannot be read: .*; put the log back/,
    );
    w.stores.get('tokyo')!.reachable = true;
    await w.clock.advance(3_000);
    expect([catalog.lacking, catalog.keyspaces()]).toEqual([null, [travel()]]);
    // What is there is there.
    await catalog[Symbol.asyncDispose]();
    w.stores.get('tokyo')!.reachable = false;
    const again = w.start('paris', { held: ['travel', 'cargo'] });
    await w.clock.advance(1_000);
    expect(again.catalog.lacking).toMatch(
      /at paris does not define cargo, of which the folder of paris holds something; /,
    );
    // Once it is defined again, what is left is the record.
    const defined = again.catalog.create({ ...travel(), name: 'cargo' }, 5_000);
    await w.clock.advance(1_000);
    await defined;
    expect(again.catalog.lacking).toMatch(/has a record that cannot be read/);
  });

  it('waits for its own log and for a site that is away, for as long as it takes', async () => {
    await using w = world();
    for (const site of ['paris', 'tokyo']) w.stores.get(site)!.reachable = false;
    const [paris, tokyo, quito] = SITES.map((site) => w.start(site));
    await w.clock.advance(60_000);
    expect([paris!.catalog.opened, quito!.catalog.opened]).toEqual([false, true]);
    const early = await paris!.catalog.create(travel(), 5_000).catch((error: unknown) => error);
    expect(isFault(early, 'unavailable')).toBe(true);
    w.stores.get('paris')!.reachable = true;
    await w.clock.advance(2_000);
    await paris!.catalog.create(travel(), 5_000);
    await w.clock.advance(2_000);
    expect([quito!.told.length, tokyo!.told.length]).toEqual([1, 0]);
    w.stores.get('tokyo')!.reachable = true;
    await w.clock.advance(2_000);
    expect(tokyo!.told).toEqual([travel()]);
  });

  it('a definition whose append was not answered is settled by the same record again, and told once', async () => {
    for (const lands of ['now', 'never', { afterMs: 3_000 }] as const) {
      await using w = world();
      const paris = w.start('paris');
      await w.clock.advance(1_000);
      let asked = 0;
      w.stores.get('paris')!.fate = () => (asked++ < 2 ? { answer: 'unknown', lands } : { answer: 'stored' });
      const created = paris.catalog.create(travel(), 60_000);
      await w.clock.advance(60_000);
      await created;
      expect(paris.told).toEqual([travel()]);
      await paris.catalog[Symbol.asyncDispose]();
      const again = w.start('paris');
      await w.clock.advance(1_000);
      expect([again.told, again.catalog.conflicts]).toEqual([[travel()], 0]);
    }
  });

  it('says unknown at the deadline, and goes by the definition once it is written', async () => {
    await using w = world();
    const paris = w.start('paris');
    await w.clock.advance(1_000);
    w.stores.get('paris')!.fate = () => ({ answer: 'unknown', lands: 'never' });
    const created = paris.catalog.create(travel(), 5_000).catch((error: unknown) => error);
    await w.clock.advance(6_000);
    expect(isFault(await created, 'unknown')).toBe(true);
    expect(paris.told).toEqual([]);
    w.stores.get('paris')!.fate = () => ({ answer: 'stored' });
    await w.clock.advance(2_000);
    expect(paris.told).toEqual([travel()]);
  });

  it('refuses a second definition here, and keeps to its own when another site has another one', async () => {
    await using w = world();
    const [paris, tokyo] = ['paris', 'tokyo'].map((site) => w.start(site));
    await w.clock.advance(1_000);
    await Promise.all([paris!.catalog.create(travel(4), 5_000), tokyo!.catalog.create(travel(8), 5_000)]);
    const second = await paris!.catalog.create(travel(8), 5_000).catch((error: unknown) => error);
    expect(isFault(second, 'conflict')).toBe(true);
    await w.clock.advance(2_000);
    expect([paris!.told, tokyo!.told]).toEqual([[travel(4)], [travel(8)]]);
    expect([paris!.catalog.conflicts, tokyo!.catalog.conflicts]).toEqual([1, 1]);
  });

  it('a process that does not write follows the site’s own control log', async () => {
    await using w = world();
    const writer = w.start('paris');
    const reader = w.start('paris', { writes: false });
    await w.clock.advance(1_000);
    await writer.catalog.create(travel(), 5_000);
    await w.clock.advance(2_000);
    expect(reader.told).toEqual([travel()]);
  });
});
