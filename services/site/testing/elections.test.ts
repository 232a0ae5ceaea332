import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Answer, send, untilDone } from './asking.ts';
import { EmbeddedSites } from './embedded-sites-harness.ts';

const PARTITIONS = 3;

function fileOf(ack: string, roles: Readonly<Record<string, string>> = {}) {
  return {
    keyspace: 'travel',
    mode: 'single',
    primary: 'paris',
    ack,
    failover: 'manual',
    sites: { paris: 'data', tokyo: 'data', quito: 'data', ...roles },
    partitions: PARTITIONS,
    tables: {
      flights: { columns: { origin: 'string', line: 'int', delay: 'int' }, partitionKey: 'origin', sortKey: ['line'] },
    },
  };
}

let sites: EmbeddedSites;
const ask = (site: string, path: string, request?: RequestInit) => sites.ask(site, path, request);

const rows = (from: number, count = 40) =>
  Array.from({ length: count }, (_, i) => ({ origin: `A${(from + i) % 7}`, line: from + i, delay: i }));

async function write(site: string, list: readonly object[], key = ''): Promise<Answer> {
  const request = send('POST', { rows: list });
  const headers = { ...request.headers, ...(key === '' ? {} : { 'idempotency-key': key }) };
  return ask(site, '/v1/travel/flights/rows', { ...request, headers });
}

/** Writes until it is acked; a repeat goes under the same key. */
async function writeAcked(site: string, list: readonly object[], key: string): Promise<void> {
  await untilDone(async () => {
    const answer = await write(site, list, key);
    expect(answer).toMatchObject({ status: 200, body: { accepted: list.length } });
  });
}

function nominate(site: string, cause: string): Promise<Answer> {
  return sites.nominate(site, 'travel', { cause, reason: 'the test says so' });
}

/** Each site's rows, once all have the same positions. */
async function rowsEverywhere(): Promise<number[]> {
  let found: number[] = [];
  await untilDone(async () => {
    const digests = await Promise.all([...sites.running.keys()].map((site) => ask(site, '/v1/internal/digest/travel')));
    const tables = digests.map(({ body }) => (body as { tables: { flights: { rows: number; hash: string } } }).tables);
    expect(new Set(tables.map(({ flights }) => flights.hash)).size).toBe(1);
    found = tables.map(({ flights }) => flights.rows);
  });
  return found;
}

async function setUp(ack: string, roles?: Readonly<Record<string, string>>): Promise<void> {
  await sites.startAll();
  await sites.define(fileOf(ack, roles));
}

beforeEach(async () => {
  sites = await EmbeddedSites.make({ requestTimeoutMs: 3_000 });
}, 30_000);

afterEach(() => sites[Symbol.asyncDispose](), 30_000);

describe('elections', () => {
  it('a site that is nominated goes on where the lost primary ended, and that one comes back as a replica', async () => {
    await setUp('sync(1)');
    await writeAcked('paris', rows(0), 'k0');
    await sites.stop('paris');
    expect(await nominate('tokyo', 'failover')).toMatchObject({ status: 202 });
    // A repeat of what the old primary acked is answered by the new one and not written again.
    await writeAcked('tokyo', rows(0), 'k0');
    await writeAcked('tokyo', rows(100), 'k1');
    await sites.start('paris');
    expect(await rowsEverywhere()).toEqual([80, 80, 80]);
    await untilDone(async () => expect(await write('paris', rows(200))).toMatchObject({ status: 307 }));
  });

  it('a planned move loses nothing and refuses nothing for good', async () => {
    await setUp('sync(1)');
    await writeAcked('paris', rows(0), 'k0');
    let moved = false;
    let written = 0;
    const load = async (): Promise<void> => {
      for (let i = 0; !moved || i < 20; i++) {
        const site = (await ask('tokyo', '/primary')).status === 200 ? 'tokyo' : 'paris';
        const { status } = await write(site, rows(1_000 + i * 40), `load-${i}`).catch(() => ({ status: 0 }));
        if (status === 200) written += 40;
        else i--;
      }
    };
    const loading = load();
    expect(await nominate('tokyo', 'switchover')).toMatchObject({ status: 202 });
    await untilDone(async () => expect((await ask('tokyo', '/primary')).status).toBe(200));
    moved = true;
    await loading;
    expect((await ask('paris', '/primary')).status).toBe(503);
    expect(await rowsEverywhere()).toEqual([40 + written, 40 + written, 40 + written]);
    // And back again.
    expect(await nominate('paris', 'switchover')).toMatchObject({ status: 202 });
    await untilDone(async () => expect((await ask('paris', '/primary')).status).toBe(200));
    await writeAcked('paris', rows(90_000), 'last');
    expect(await rowsEverywhere()).toEqual(Array(3).fill(80 + written));
  });

  it('who is nominated twice, or is the primary, says so and nothing is changed', async () => {
    await setUp('sync(1)');
    await writeAcked('paris', rows(0), 'k0');
    expect(await nominate('paris', 'switchover')).toMatchObject({ status: 409 });
    await writeAcked('paris', rows(100), 'k1');
  });

  it('a primary that is elected away from while it lives acks nothing any more', async () => {
    await setUp('sync(1)');
    await writeAcked('paris', rows(0), 'k0');
    expect(await nominate('quito', 'failover')).toMatchObject({ status: 202 });
    await untilDone(async () => expect((await ask('quito', '/primary')).status).toBe(200));
    await untilDone(async () => expect(await write('paris', rows(300))).toMatchObject({ status: 307 }));
    await writeAcked('quito', rows(400), 'k4');
    expect(await rowsEverywhere()).toEqual([80, 80, 80]);
  });

  it('a witness votes and holds nothing: with two data sites it decides', async () => {
    await setUp('local', { quito: 'witness' });
    await writeAcked('paris', rows(0), 'k0');
    await sites.stop('quito');
    await writeAcked('paris', rows(100), 'k1');
    await sites.start('quito');
    expect(await nominate('tokyo', 'switchover')).toMatchObject({ status: 202 });
    await untilDone(async () => expect((await ask('tokyo', '/primary')).status).toBe(200));
    await writeAcked('tokyo', rows(200), 'k2');
    const local = await ask('tokyo', '/v1/travel/flights/scan', send('POST', { select: [{ count: '*', as: 'n' }] }));
    expect(local.body).toMatchObject({ n: 120 });
  });
});
