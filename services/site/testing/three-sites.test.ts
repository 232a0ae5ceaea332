import type { Status } from '@tidemark/watchdog/status/status';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { send, untilDone } from './asking.ts';
import { EmbeddedSites, SITE_NAMES } from './embedded-sites-harness.ts';

const FILE = {
  keyspace: 'travel',
  mode: 'single',
  primary: 'paris',
  ack: 'sync(1)',
  sites: { paris: 'data', tokyo: 'data', quito: 'data' },
  partitions: 4,
  tables: {
    flights: { columns: { origin: 'string', line: 'int', delay: 'int' }, partitionKey: 'origin', sortKey: ['line'] },
  },
};
const ROWS = Array.from({ length: 100 }, (_, i) => ({ origin: `A${i % 7}`, line: i, delay: i - 50 }));

let sites: EmbeddedSites;
const ask = (site: string, path: string, request?: RequestInit) => sites.ask(site, path, request);

/** Looks again until what is found holds everything that is wanted. */
function eventually(look: () => Promise<unknown>, wanted: object): Promise<void> {
  return untilDone(async () => {
    expect(await look()).toMatchObject(wanted);
  });
}

async function statusAt(site: string): Promise<Status> {
  return (await ask(site, '/v1/status')).body as Status;
}

beforeAll(async () => {
  sites = await EmbeddedSites.make();
  await sites.startAll();
}, 30_000);

afterAll(() => sites[Symbol.asyncDispose](), 30_000);

describe('three sites', () => {
  it('a keyspace is defined at its primary; the others say where that is', async () => {
    await eventually(() => ask('tokyo', '/v1/keyspaces/travel', send('PUT', FILE)), { status: 307 });
    expect(await ask('paris', '/v1/keyspaces/travel', send('PUT', FILE))).toMatchObject({
      status: 201,
      body: { keyspace: 'travel', version: 1 },
    });
    expect(await ask('paris', '/v1/keyspaces/travel', send('PUT', FILE))).toMatchObject({
      status: 200,
      body: { version: 1, changes: [] },
    });
    for (const name of SITE_NAMES) {
      await eventually(() => ask(name, '/readyz'), { status: 200 });
      await eventually(() => ask(name, '/v1/keyspaces/travel'), { status: 200, body: { keyspace: 'travel' } });
    }
  });

  it('rows written at one are read at three', async () => {
    const written = await ask('paris', '/v1/travel/flights/rows', send('POST', { rows: ROWS }));
    expect(written).toMatchObject({ status: 200, body: { accepted: 100, rejected: 0 } });
    for (const name of SITE_NAMES) {
      const row = { origin: 'A2', line: 9, delay: -41 };
      await eventually(() => ask(name, '/v1/travel/flights/rows/A2/9'), { status: 200, body: row });
    }
  });

  it('a write at another site is sent to the primary, and the probes tell them apart', async () => {
    const sent = await fetch(`${sites.running.get('tokyo')!.url}/v1/travel/flights/rows`, {
      redirect: 'manual',
      ...send('POST', { rows: ROWS }),
    });
    expect([sent.status, sent.headers.get('location')]).toEqual([
      307,
      `${sites.running.get('paris')!.url}/v1/travel/flights/rows`,
    ]);
    const primary = await Promise.all(SITE_NAMES.map(async (name) => (await ask(name, '/primary')).status));
    expect(primary).toEqual([200, 503, 503]);
  });

  it('a change of the wrong version, or of what is fixed, is refused with both values', async () => {
    const put = (headers: Record<string, string>, file: object) =>
      ask('paris', '/v1/keyspaces/travel', {
        method: 'PUT',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(file),
      });
    expect(await put({ 'if-match': '"7"' }, FILE)).toMatchObject({ status: 412, body: { got: '7', expected: '1' } });
    expect(await put({}, { ...FILE, partitions: 8 })).toMatchObject({ status: 400, body: { got: 8, expected: 4 } });
    const columns = { ...FILE.tables.flights.columns, distance: 'int' };
    const wider = { ...FILE, tables: { flights: { ...FILE.tables.flights, columns } } };
    expect(await put({ 'if-match': '"1"' }, wider)).toMatchObject({ status: 200, body: { version: 2 } });
    for (const name of SITE_NAMES) {
      await eventually(() => ask(name, '/v1/keyspaces/travel'), { body: { tables: { flights: { columns } } } });
    }
  });

  it('a site that the cluster does not have is refused by name, in a new keyspace and in one that is there', async () => {
    const before = (await ask('paris', '/v1/keyspaces/travel')).body;
    for (const keyspace of ['travel', 'journey']) {
      for (const [site, nearest] of [
        ['mars', ''],
        ['tokio', ' (nearest: tokyo)'],
      ] as const) {
        const file = { ...FILE, keyspace, sites: { ...FILE.sites, [site]: 'data' } };
        for (const query of ['', '?dryRun']) {
          const { status, body } = await ask('paris', `/v1/keyspaces/${keyspace}${query}`, send('PUT', file));
          expect([status, JSON.stringify(body)]).toEqual([400, expect.stringContaining(`site ${site} is none of`)]);
          expect(JSON.stringify(body)).toContain(`paris, tokyo, quito${nearest}"`);
        }
      }
    }
    expect((await ask('paris', '/v1/keyspaces/travel')).body).toEqual(before);
    expect(await ask('paris', '/v1/keyspaces/journey')).toMatchObject({ status: 404 });
  });

  it('a keyspace nobody knows is named as such', async () => {
    expect(await ask('quito', '/v1/trave/flights/rows/x')).toMatchObject({ status: 404, body: { got: 'trave' } });
    expect(await ask('paris', '/v1/keyspaces/status', send('PUT', { ...FILE, keyspace: 'status' }))).toMatchObject({
      status: 400,
      body: { detail: 'keyspace "status": the name is taken by the system (a route); choose another' },
    });
    const sitesOfFile = { ...FILE, keyspace: 'other', sites: { paris: 'data', tokio: 'data' } };
    expect(await ask('paris', '/v1/keyspaces/other', send('PUT', sitesOfFile))).toMatchObject({
      status: 400,
      body: { got: 'tokio' },
    });
  });

  it('status shows all sites alive and a lag measured at each; the metrics show the same', async () => {
    const alive = SITE_NAMES.map((site) => ({ site, state: 'alive' }));
    const live = SITE_NAMES.map((site) => ({ site, origins: [{ origin: 'paris', lagState: 'live' }] }));
    for (const name of SITE_NAMES) {
      const keyspaces = [{ keyspace: 'travel', epoch: 1, primaryState: 'alive', sites: live }];
      await eventually(() => statusAt(name), { sites: alive, keyspaces });
    }
    const { body } = await ask('tokyo', '/metrics');
    expect(body).toMatch(/^tidemark_lag_seconds\{keyspace="travel",origin="paris"\} \d/m);
    expect(body).toMatch(/^tidemark_site_alive\{site="quito"\} 1$/m);
    expect(body).not.toMatch(/^tidemark_lag_seconds\{[^}]*\} 0$/m);
    // From the first scrape on nothing is NaN, what counts is a counter and is called so, and nothing else is.
    expect(body).not.toMatch(/ nan$/im);
    const types = String(body).matchAll(/^# TYPE (\w+) (\w+)$/gm);
    for (const [, metric, type] of types)
      if (metric!.startsWith('tidemark_'))
        expect([metric, type === 'counter']).toEqual([metric, /_total$/.test(metric!)]);
    const schema = await ask('tokyo', '/v1/keyspaces/travel/tables/flights/schema');
    expect(schema).toMatchObject({ status: 200, body: { name: 'flights', fields: expect.any(Array) } });
    expect(await ask('tokyo', '/v1/keyspaces/travel/tables/flihts/schema')).toMatchObject({ body: { got: 'flihts' } });
    const { body: atPrimary } = await ask('paris', '/metrics');
    for (const count of ['records', 'accepted', 'rejected', 'missed'])
      expect(atPrimary).toMatch(new RegExp(`^tidemark_ingest_${count}_total\\{keyspace="travel"\\} 0$`, 'm'));
    expect(atPrimary).toMatch(/^tidemark_ingest_lag_records\{keyspace="travel"\} 0$/m);
  });

  it('a site that stops is silent to the others, its lag no longer live, and it is back with what it had', async () => {
    await sites.stop('quito');
    await eventually(() => statusAt('paris'), { sites: [{}, {}, { site: 'quito', state: 'silent' }] });
    const stale = [{}, {}, { site: 'quito', state: 'silent', origins: [{ lagState: 'stale' }] }];
    await eventually(() => statusAt('tokyo'), { keyspaces: [{ sites: stale }] });
    const more = { rows: [{ origin: 'B', line: 1, delay: 7 }] };
    expect(await ask('paris', '/v1/travel/flights/rows', send('POST', more))).toMatchObject({ status: 200 });
    await sites.start('quito');
    await eventually(() => ask('quito', '/v1/travel/flights/rows/B/1'), { status: 200, body: { delay: 7 } });
    await eventually(() => ask('quito', '/v1/travel/flights/rows/A2/9'), { status: 200, body: { delay: -41 } });
  });
});
