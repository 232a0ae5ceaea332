/** A site whose column files hold another value than its logs say: it is found, and built again from the logs, whichever it is. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { PROGRAM } from '@tidemark/cli/program';
import { encodeKey } from '@tidemark/columnar/key';
import { ROW, RowBatch } from '@tidemark/columnar/row-batch';
import { evolve } from '@tidemark/model/evolve';
import { partitionOf } from '@tidemark/model/hash';
import { parseKeyspaceFile } from '@tidemark/model/keyspace-file';
import { NodeDisk } from '@tidemark/platform/node-disk';
import { Partition } from '@tidemark/store/partition';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { jobAt, send, untilDone } from './asking.ts';
import { EmbeddedSites, SITE_NAMES } from './embedded-sites-harness.ts';

const PARTITIONS = 2;
const FILE = {
  keyspace: 'travel',
  mode: 'single',
  primary: 'paris',
  ack: 'sync(1)',
  failover: 'manual',
  sites: { paris: 'data', tokyo: 'data', quito: 'data' },
  partitions: PARTITIONS,
  tables: {
    flights: { columns: { origin: 'string', line: 'int', delay: 'int' }, partitionKey: 'origin', sortKey: ['line'] },
  },
};
const ROWS = 200;
const AIRPORTS = ['SAN', 'LAX', 'SFO', 'OAK'];
const WRONG = 1_000_000;

let sites: EmbeddedSites;

beforeEach(async () => {
  sites = await EmbeddedSites.make({ flushEveryMs: 200 });
  await sites.startAll();
  await sites.define(FILE);
  const rows = Array.from({ length: ROWS }, (_, i) => ({ origin: airportOf(i), line: i, delay: i }));
  await untilDone(async () => {
    expect((await sites.ask('paris', '/v1/travel/flights/rows', send('POST', { rows }))).status).toBe(200);
  });
  for (const site of SITE_NAMES) await untilDone(() => isRight(site));
});

afterEach(async () => sites[Symbol.asyncDispose]());

const airportOf = (line: number): string => AIRPORTS[line % AIRPORTS.length]!;

async function isRight(site: string): Promise<void> {
  const body = {
    select: [
      { sum: 'delay', as: 'sum' },
      { count: '*', as: 'n' },
    ],
  };
  const { status, body: row } = await sites.ask(site, '/v1/travel/flights/scan', send('POST', body));
  expect([status, row]).toEqual([200, { sum: (ROWS * (ROWS - 1)) / 2, n: ROWS }]);
}

/** Gives some flights another delay in a site's column files: every sum and position is as it should be. */
async function spoil(site: string, lines: readonly number[]): Promise<void> {
  await sites.stop(site);
  const [table] = evolve(null, parseKeyspaceFile(FILE)).keyspace.tables;
  assert(table !== undefined);
  const delay = table.columns.find(({ name }) => name === 'delay')!;
  for (let number = 0; number < PARTITIONS; number++) {
    const path = `travel/flights/${number}`;
    await using partition = await Partition.open(new NodeDisk(join(sites.folder, site)), path);
    partition.setTable(table);
    const batch = new RowBatch();
    for (const line of lines) {
      const origin = Buffer.from(encodeKey({ ...table, key: table.key.slice(0, 1) }, [airportOf(line)]));
      if (partitionOf(origin, PARTITIONS) !== number) continue;
      const row = batch.addRow(ROW.upsert);
      batch.keys.setBytes(row, encodeKey(table, [airportOf(line), line]));
      batch.column(table, delay.id).setNumber(row, WRONG);
    }
    batch.seal();
    if (batch.rowCount > 0) partition.applyAgain(batch, { ms: Date.now(), counter: 0, site: 1, writer: 1 });
    await partition.flush();
  }
  await sites.start(site);
}

/** Compares until all sites can be. */
async function verdicts(): Promise<Record<string, unknown>> {
  let facts: Record<string, unknown> = {};
  await untilDone(async () => {
    facts = await jobAt(sites, 'quito', { kind: 'verify', keyspace: 'travel' });
    expect(facts).toMatchObject({ state: 'done' });
    const words = (facts.verdicts as readonly { readonly verdict: string }[]).map(({ verdict }) => verdict);
    expect(words.filter((word) => word !== 'MATCH' && word !== 'DIVERGED')).toEqual([]);
  });
  return facts;
}

/** As an operator has it done. */
async function repaired() {
  const urls = [...sites.running.values()].map(({ url }) => url).join();
  const env = { ...process.env, TIDEMARK_URL: urls };
  const child = spawn(process.execPath, [PROGRAM, 'verify', '--repair', '--json'], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  child.stdout.on('data', (piece) => (out += String(piece)));
  child.stderr.resume();
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, facts: JSON.parse(out) as Record<string, unknown> };
}

describe('a site with wrong cells', () => {
  it('is found, is left as it is unless asked, and is built again from its logs alone; what was there is kept aside', async () => {
    await spoil('tokyo', [4, 5]);
    expect(await verdicts()).toMatchObject({ equal: false, reference: 'paris' });
    expect(await jobAt(sites, 'tokyo', { kind: 'repair', keyspace: 'travel', with: 'paris' })).toMatchObject({
      ...{ state: 'done', site: 'tokyo', with: 'paris', equal: true },
    });
    await isRight('tokyo');
    expect(await verdicts()).toMatchObject({ equal: true });
    const kept = (await readdir(join(sites.folder, 'tokyo', 'travel', 'flights'))).filter(
      (name) => !/^\d+$/.test(name),
    );
    expect(kept.length).toBeGreaterThan(0);
    // It is as it should be: nothing is built again.
    expect(await jobAt(sites, 'tokyo', { kind: 'repair', keyspace: 'travel', with: 'paris' })).toMatchObject({
      ...{ state: 'done', differed: [], equal: true },
    });
  }, 60_000);

  it('may be the primary, which the others are compared with: no majority decides, each has its own logs', async () => {
    await spoil('paris', [7]);
    expect(await verdicts()).toMatchObject({ equal: false });
    const { code, facts } = await repaired();
    expect([code, facts.equal]).toEqual([0, true]);
    const [last] = (facts.repaired as readonly object[]).slice(-1);
    expect(last).toMatchObject({ site: 'paris', equal: true });
    for (const site of SITE_NAMES) await isRight(site);
  }, 60_000);

  it('is compared with a data site of the keyspace, and with no other', async () => {
    for (const other of ['tokyo', 'lima'])
      expect(await jobAt(sites, 'tokyo', { kind: 'repair', keyspace: 'travel', with: other })).toMatchObject({
        ...{ status: 400, got: other, expected: ['paris', 'quito'] },
      });
  });
});
