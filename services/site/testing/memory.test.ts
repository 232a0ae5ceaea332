/** A site with a stated budget holds it by its own accounting, whatever is written and read. Counts bytes, no times. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { memoryPlan } from '../config/memory-plan.ts';
import { SiteMemory } from '../site-memory.ts';
import { send, untilDone } from './asking.ts';
import { EmbeddedSites, SITE_NAMES } from './embedded-sites-harness.ts';

const BUDGET = 256_000_000;
const KEYSPACES = ['one', 'two', 'three'];
const PARTITIONS = 2;
const fileOf = (keyspace: string) => ({
  ...{ keyspace, mode: 'single', primary: 'paris', ack: 'sync(1)', failover: 'manual', partitions: PARTITIONS },
  sites: { paris: 'data', tokyo: 'data', quito: 'data' },
  tables: { t: { columns: { k: 'string', v: 'string', n: 'int' }, partitionKey: 'k' } },
});
/** 13 MB of rows a keyspace: more than all memtables may hold. */
const [BATCHES, BATCH_ROWS, TEXT_BYTES] = [16, 2_000, 400];

const MIB = 1024 * 1024;
/** It is looked for room before a record is applied, and a batch is one of each partition; keys and stamps come to its texts. */
const BEYOND_BYTES = KEYSPACES.length * BATCH_ROWS * (TEXT_BYTES + 100);

let sites: EmbeddedSites;

beforeAll(async () => {
  sites = await EmbeddedSites.make({ memory: '256MB', flushEveryMs: 3_600_000 });
  await sites.startAll();
  for (const keyspace of KEYSPACES) await sites.define(fileOf(keyspace));
}, 60_000);

afterAll(async () => {
  await sites[Symbol.asyncDispose]();
  // Blocks, spare arrays and scans are bounded for the process, and other tests run in it.
  new SiteMemory(memoryPlan({ memory: null, memtableBytesMax: 64 * MIB, pendingBytesMax: 64 * MIB }));
}, 30_000);

/** The bytes of a gauge by what holds them. */
async function gauge(site: string, name: string): Promise<Record<string, number>> {
  const { body } = await sites.ask(site, '/metrics');
  const found = [...(body as string).matchAll(new RegExp(`^${name}\\{of="(\\w+)"\\} (\\d+)$`, 'gm'))];
  return Object.fromEntries(found.map(([, of, bytes]) => [of, Number(bytes)]));
}

/** What a site holds now, each part that is counted within its bound; of memtables one record of each partition beyond it. @returns by part */
async function heldWithin(site: string, budget: Record<string, number>): Promise<Record<string, number>> {
  const held = await gauge(site, 'tidemark_memory_held_bytes');
  for (const [of, bytes] of Object.entries(held))
    expect(bytes, `${of} at ${site}`).toBeLessThanOrEqual(budget[of]! + (of === 'memtables' ? BEYOND_BYTES : 0));
  return held;
}

describe('a site with a stated budget', () => {
  it('divides all of it, and holds each part to its bound through loads of several keyspaces, scans and reads', async () => {
    const budget = await gauge('paris', 'tidemark_memory_budget_bytes');
    expect(Object.values(budget).reduce((sum, bytes) => sum + bytes)).toBe(BUDGET);
    const most: Record<string, number> = {};
    const look = async (): Promise<void> => {
      for (const site of SITE_NAMES) {
        const held = await heldWithin(site, budget);
        for (const [of, bytes] of Object.entries(held)) most[of] = Math.max(most[of] ?? 0, bytes);
      }
    };
    for (let batch = 0; batch < BATCHES; batch++) {
      for (const keyspace of KEYSPACES) {
        const rows = Array.from({ length: BATCH_ROWS }, (_, i) => {
          const n = batch * BATCH_ROWS + i;
          return { k: `k${n}`, v: `${n}`.padEnd(TEXT_BYTES, keyspace), n };
        });
        await untilDone(async () => {
          const { status } = await sites.ask('paris', `/v1/${keyspace}/t/rows`, send('POST', { rows }));
          expect(status).toBe(200);
        });
      }
      await look();
    }
    for (const keyspace of KEYSPACES) {
      for (const column of ['k', 'v', 'n']) {
        const aggregate = { select: [{ min: column }, { count: '*' }] };
        await sites.ask('paris', `/v1/${keyspace}/t/scan`, send('POST', aggregate));
        await look();
      }
    }
    // What could not all be held was written, and read again.
    expect(most.memtables).toBeGreaterThan(budget.memtables! / 4);
    expect(most.blocks).toBeGreaterThan(0);
  }, 120_000);
});
