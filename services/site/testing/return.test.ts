/** A site that was lost returns: what only it had is written out, what it lost is filled again, and then it counts. */

import { readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Answer, send, untilDone } from './asking.ts';
import { EmbeddedSites } from './embedded-sites-harness.ts';

const COLUMNS = { origin: 'string', line: 'int', delay: 'int' };
const FILE = {
  keyspace: 'travel',
  mode: 'single',
  primary: 'paris',
  failover: 'manual',
  sites: { paris: 'data', tokyo: 'data', quito: 'data' },
  partitions: 2,
  tables: { flights: { columns: COLUMNS, partitionKey: 'origin', sortKey: ['line'] } },
};

let sites: EmbeddedSites;
const ask = (site: string, path: string, request?: RequestInit) => sites.ask(site, path, request);
const rows = (from: number) =>
  Array.from({ length: 40 }, (_, i) => ({ origin: `A${i % 7}`, line: from + i, delay: i }));

async function write(site: string, from: number, ack = ''): Promise<Answer> {
  return ask(site, `/v1/travel/flights/rows${ack}`, send('POST', { rows: rows(from) }));
}

function writeAcked(site: string, from: number): Promise<void> {
  return untilDone(async () => expect(await write(site, from)).toMatchObject({ status: 200 }));
}

async function fail(over: { readonly to: string; readonly loss?: object }): Promise<void> {
  const { loss = null } = over;
  const reason = { cause: 'failover', reason: 'the test says so', loss };
  // An election that began before its site had found the others has failed, and is asked for again.
  await untilDone(async () => {
    await sites.nominate(over.to, 'travel', reason);
    expect((await ask(over.to, '/primary')).status).toBe(200);
  });
}

/** Runs a job to its end; its last facts. */
async function job(site: string, body: object): Promise<Record<string, unknown>> {
  let id = '';
  await untilDone(async () => {
    const started = await ask(site, '/v1/jobs', send('POST', { keyspace: 'travel', ...body }));
    expect(started.status).toBe(202);
    id = (started.body as { id: string }).id;
  });
  let facts: Record<string, unknown> = {};
  await untilDone(async () => {
    facts = (await ask(site, `/v1/jobs/${id}`)).body as Record<string, unknown>;
    expect(facts.state).not.toBe('running');
  });
  return facts;
}

/** Of what was decided, as the site tells it. */
async function kindsOf(site: string): Promise<unknown[]> {
  const { body } = await ask(site, '/v1/history?keyspace=travel');
  return (body as { decisions: { kind: unknown }[] }).decisions.map(({ kind }) => kind);
}

async function countAt(site: string): Promise<unknown> {
  const asked = send('POST', { select: [{ count: '*', as: 'n' }] });
  return ((await ask(site, '/v1/travel/flights/scan', asked)).body as { n?: number }).n;
}

function countsEverywhere(count: number): Promise<void> {
  return untilDone(async () => {
    expect(await Promise.all([...sites.running.keys()].map(countAt))).toEqual(
      [...sites.running.keys()].map(() => count),
    );
  });
}

async function setUp(ack: string): Promise<void> {
  await sites.startAll();
  await sites.define({ ...FILE, ack });
  await writeAcked('paris', 0);
  await countsEverywhere(40);
}

beforeEach(async () => {
  sites = await EmbeddedSites.make({ requestTimeoutMs: 2_000 });
});

afterEach(() => sites[Symbol.asyncDispose](), 30_000);

describe('a lost site', () => {
  it('returns as a replica with its tail in a file, and what was lost of it can be written again', async () => {
    await setUp('sync(1)');
    await sites.stop('tokyo');
    await sites.stop('quito');
    expect((await write('paris', 100)).status).toBe(504);
    await sites.stop('paris');
    // Its log is out of reach too.
    await rename(join(sites.folder, 'paris'), join(sites.folder, 'away'));
    await sites.start('tokyo');
    await sites.start('quito');
    // Both began again, and nobody is left who knows that what they hold is all they promised.
    await fail({ to: 'tokyo', loss: { rowsMax: 2_000_000_000, mode: 'received' } });
    await writeAcked('tokyo', 200);
    await rename(join(sites.folder, 'away'), join(sites.folder, 'paris'));
    await sites.start('paris');
    await countsEverywhere(80);

    const returned = await job('paris', { kind: 'return', site: 'paris' });
    expect(returned).toMatchObject({ state: 'done', kept: 40, exported: 40, digestsEqual: true });
    expect(returned).toMatchObject({ cells: { lost: 40, there: 0, superseded: 0, conflicting: 0 }, silent: [] });
    const file = await readFile(join(sites.folder, 'paris', 'tails/travel/paris-1.ndjson'), 'utf8');
    const lines = file
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { values: { line: number } }).values.line);
    expect(lines.sort((a, b) => a - b)).toEqual(rows(100).map(({ line }) => line));
    await countsEverywhere(80);

    for (let turn = 0; turn < 2; turn++) {
      const applied = await job('paris', { kind: 'return', site: 'paris', tail: 'apply' });
      expect(applied).toMatchObject({ state: 'done', kept: 40, exported: 40, hash: returned.hash });
      await countsEverywhere(120);
      expect(applied.applied).toEqual({ rows: turn === 0 ? 40 : 0, rejected: 0 });
    }
    expect(await kindsOf('paris')).toContain('tail');
    expect(await job('quito', { kind: 'verify' })).toMatchObject({ state: 'done', equal: true, reference: 'tokyo' });
  }, 60_000);

  it('that lost everything is filled again and counts again, and until then it does not', async () => {
    await setUp('sync(1)');
    await sites.stop('quito');
    // What was being written when it was stopped may land meanwhile.
    await rm(join(sites.folder, 'quito'), { recursive: true, maxRetries: 5 });
    await writeAcked('paris', 100);
    await sites.start('quito');
    const returned = await job('quito', { kind: 'return', site: 'quito' });
    expect(returned).toMatchObject({ state: 'done', exported: 0, hash: null, digestsEqual: true });
    await countsEverywhere(80);
    await untilDone(async () => expect(await kindsOf('paris')).toEqual(expect.arrayContaining(['demotion', 'return'])));
    // Now it is one of the two that a write needs.
    await sites.stop('tokyo');
    await writeAcked('paris', 200);
  }, 60_000);

  it('is refused, with what to do, where there is nothing to return', async () => {
    await setUp('sync(1)');
    const asked = (site: string, body: object) =>
      ask(site, '/v1/jobs', send('POST', { kind: 'return', keyspace: 'travel', ...body }));
    const detail = async (answer: Promise<Answer>): Promise<string> => {
      const { status, body } = await answer;
      return `${status} ${(body as { detail?: string }).detail}`;
    };
    expect(await detail(asked('paris', { site: 'paris' }))).toMatch(/^409 .*is the primary.*switch over/);
    expect(await detail(asked('paris', { site: 'rome' }))).toMatch(/^400 .*no site "rome"; its sites are paris/);
    expect(await detail(asked('paris', { site: 'tokyo' }))).toMatch(/^400 .*ask tokyo, this is paris/);
    expect(await detail(asked('tokyo', { site: 'tokyo', tail: 'eat' }))).toMatch(/^400 .*tail/);
    await sites.stop('paris');
    await sites.stop('quito');
    expect(await detail(asked('tokyo', { site: 'tokyo' }))).toMatch(/^503 .*majority/);
  }, 60_000);

  it('of a local keyspace goes back to the epoch end, and every row it acked is in the table or in the tail', async () => {
    await setUp('local');
    await sites.stop('tokyo');
    await sites.stop('quito');
    expect(await write('paris', 100)).toMatchObject({ status: 200 });
    await untilDone(async () => expect(await countAt('paris')).toBe(80));
    await sites.stop('paris');
    await rename(join(sites.folder, 'paris'), join(sites.folder, 'away'));
    await sites.start('tokyo');
    await sites.start('quito');
    // One that may lose nothing can never end, and does not stand in the way of one that may.
    const lossless = { cause: 'failover', reason: 'the test says so' };
    await untilDone(async () =>
      expect(await sites.nominate('tokyo', 'travel', lossless)).toMatchObject({ status: 202 }),
    );
    await fail({ to: 'tokyo', loss: { rowsMax: 2_000_000_000, mode: 'received' } });
    await writeAcked('tokyo', 200);
    await rename(join(sites.folder, 'away'), join(sites.folder, 'paris'));
    await sites.start('paris');
    const returned = await job('paris', { kind: 'return', site: 'paris' });
    expect(returned).toMatchObject({ state: 'done', kept: 40, exported: 40, digestsEqual: true });
    await countsEverywhere(80);
  }, 90_000);
});
