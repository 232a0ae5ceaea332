/** Deletions are forgotten once every site has applied them, and not while one is away; nobody can tell the difference. */

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { send, untilDone } from './asking.ts';
import { EmbeddedSites, SITE_NAMES } from './embedded-sites-harness.ts';

const FILE = {
  keyspace: 'travel',
  mode: 'single',
  primary: 'paris',
  ack: 'sync(1)',
  failover: 'manual',
  sites: { paris: 'data', tokyo: 'data', quito: 'data' },
  partitions: 1,
  tables: { flights: { columns: { origin: 'string', line: 'int' }, partitionKey: 'origin', sortKey: ['line'] } },
};

type Digest = {
  readonly gcWatermark: string | null;
  readonly tables: { readonly flights: { readonly partitions: readonly { readonly tombstones: number }[] } };
};

let sites: EmbeddedSites;

beforeEach(async () => {
  sites = await EmbeddedSites.make({ deletionsKeptMs: 0, flushEveryMs: 200 });
  await sites.startAll();
  await sites.define(FILE);
});

afterEach(async () => sites[Symbol.asyncDispose]());

async function write(from: number, isDelete: boolean): Promise<number> {
  const rows = Array.from({ length: 20 }, (_, i) => ({
    ...{ origin: 'SAN', line: from + i },
    ...(isDelete ? { $delete: true } : {}),
  }));
  await untilDone(async () => {
    const { status } = await sites.ask('paris', '/v1/travel/flights/rows', send('POST', { rows }));
    expect(status).toBe(200);
  });
  return Date.now();
}

async function digestAt(site: string): Promise<Digest> {
  const { status, body } = await sites.ask(site, '/v1/internal/digest/travel');
  expect(status).toBe(200);
  return body as Digest;
}

const tombstonesOf = ({ tables }: Digest): number => tables.flights.partitions[0]!.tombstones;
const msOf = ({ gcWatermark }: Digest): number => Number(gcWatermark?.split('.')[0] ?? 0);

/** Runs a job to its end; its last facts. */
async function job(asked: object): Promise<unknown> {
  const { body } = await sites.ask('paris', '/v1/jobs', send('POST', { keyspace: 'travel', ...asked }));
  let facts: unknown;
  await untilDone(async () => {
    facts = (await sites.ask('paris', `/v1/jobs/${(body as { id: string }).id}`)).body;
    expect((facts as { state: string }).state).not.toBe('running');
  });
  return facts;
}

describe('a deletion', () => {
  it('is forgotten at every site once all have it, is kept while one is away, and sites stay equal', async () => {
    await write(0, false);
    await write(0, true);
    for (const site of SITE_NAMES) {
      await untilDone(async () => {
        const digest = await digestAt(site);
        expect(digest.gcWatermark).not.toBe(null);
        expect(tombstonesOf(digest)).toBe(0);
      });
    }
    expect(await job({ kind: 'verify' })).toMatchObject({ state: 'done', equal: true });
    // What was put before cannot come back alone.
    expect(await job({ kind: 'replay', table: 'flights' })).toMatchObject({
      ...{ state: 'done', rows: 0 },
      verdicts: { FORGOTTEN: { records: 2, rows: 40 } },
    });

    await sites.stop('quito');
    const awayMs = Date.now();
    await write(100, false);
    await write(100, true);
    // Written to files and merged there, again and again; nothing of it may be forgotten.
    for (let turn = 0; turn < 8; turn++) {
      await write(200 + turn, false);
      await new Promise((resolve) => setTimeout(resolve, 250));
      for (const site of ['paris', 'tokyo']) expect(msOf(await digestAt(site))).toBeLessThanOrEqual(awayMs);
    }
    await untilDone(async () => expect(tombstonesOf(await digestAt('paris'))).toBe(20));

    await sites.start('quito');
    for (const site of SITE_NAMES) {
      await untilDone(async () => expect(tombstonesOf(await digestAt(site))).toBe(0));
    }
    expect(await job({ kind: 'verify' })).toMatchObject({ state: 'done', equal: true });
    const { body } = await sites.ask('quito', '/v1/travel/flights/rows/SAN?limit=1000');
    expect((body as { rows: unknown[] }).rows).toHaveLength(27);
  }, 45_000);
});
