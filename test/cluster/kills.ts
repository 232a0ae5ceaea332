/**
 * Real processes killed with −9 while rows are written, on either engine. The writer of rows is a client with a ledger
 * of its own: what it was acked is looked up at every site afterwards, against what it sent and not what a site says.
 */

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Database, Receipt } from '@tidemark/client';
import { connect, table } from '@tidemark/client';
import type { DevSite } from '@tidemark/dev/sites';
import { integerBetween, type Random } from '@tidemark/platform/random';

const COUNTERS = table('kills.counters', {
  columns: { shard: 'string', id: 'int', value: 'int', writes: 'int' },
  partitionKey: 'shard',
  sortKey: ['id'],
});

const KILLS_KEYSPACE = {
  keyspace: 'kills',
  mode: 'single',
  primary: 'paris',
  ack: 'sync(1)',
  failover: 'manual',
  sites: { paris: 'data', tokyo: 'data', quito: 'data' },
  partitions: 4,
  tables: {
    counters: {
      columns: { shard: 'string', id: 'int', value: 'int', writes: 'int' },
      partitionKey: 'shard',
      sortKey: ['id'],
    },
  },
} as const;

const ROWS = 2_000;
const BATCH_ROWS = 50;
const REQUEST_TIMEOUT_MS = 60_000;

/** What one client wrote and was acked: by row id the newest acked value, and the newest sent. */
export type Ledger = {
  readonly acked: Map<number, number>;
  readonly sent: Map<number, number>;
  ackedRows: number;
  batches: number;
  /** Of the newest acked batch. */
  last: Receipt | null;
};

export function emptyLedger(): Ledger {
  return { acked: new Map(), sent: new Map(), ackedRows: 0, batches: 0, last: null };
}

export async function defineKills(urls: readonly string[]): Promise<void> {
  const body = JSON.stringify(KILLS_KEYSPACE);
  const headers = { 'content-type': 'application/json' };
  for (let tries = 0; ; tries++) {
    const reply = await fetch(`${urls[0]}/v1/keyspaces/kills`, { method: 'PUT', headers, body }).catch(() => null);
    if (reply?.ok === true) break;
    if (tries === 100) throw new Error(`PUT keyspace: ${reply?.status} ${await reply?.text()}`);
    await sleep(100);
  }
  for (const url of urls) {
    for (let tries = 0; tries < 200; tries++) {
      const known = await fetch(`${url}/v1/keyspaces/kills`).then(
        (reply) => reply.ok,
        () => false,
      );
      if (known) break;
      await sleep(50);
    }
  }
}

/**
 * Writes batches without end, each with values that rise, until `signal` aborts. One batch at a time: so the newest
 * sent value of a row is its newest acked one, or belongs to the one batch that was under way at the end.
 */
export async function keepWriting(db: Database, ledger: Ledger, random: Random, signal: AbortSignal): Promise<void> {
  let value = Math.max(0, ...ledger.sent.values());
  while (!signal.aborted) {
    value++;
    const ids = new Set(Array.from({ length: BATCH_ROWS }, () => integerBetween(random, 0, ROWS - 1)));
    const rows = [...ids].map((id) => ({ shard: `s${id % 37}`, id, value, writes: value }));
    for (const { id } of rows) ledger.sent.set(id, value);
    const receipt = await db.putMany(COUNTERS, rows);
    if (receipt.accepted !== rows.length) throw new Error(`accepted ${receipt.accepted} of ${rows.length}`);
    for (const { id } of rows) ledger.acked.set(id, value);
    ledger.ackedRows += rows.length;
    ledger.batches++;
    ledger.last = receipt;
  }
}

export function connectTo(sites: readonly DevSite[]): Promise<Database> {
  return connect(
    sites.map((site) => site.url),
    { timeoutMs: REQUEST_TIMEOUT_MS },
  );
}

type Digest = {
  readonly positions: Readonly<Record<string, readonly string[]>>;
  readonly tables: Readonly<Record<string, { readonly rows: number; readonly hash: string }>>;
};

/** Waits until the sites' digests are equal; throws what they were when they never become so. */
export async function untilEqual(sites: readonly DevSite[], waitMs = 60_000): Promise<{ rows: number; hash: string }> {
  let last: unknown;
  for (const untilMs = performance.now() + waitMs; performance.now() < untilMs; await sleep(200)) {
    const digests = await Promise.all(
      sites.map(({ url }) =>
        fetch(`${url}/v1/internal/digest/kills`).then(
          (reply) => reply.json() as Promise<Digest>,
          () => null,
        ),
      ),
    );
    last = digests;
    const [first] = digests.map((digest) => digest?.tables?.counters);
    if (first !== undefined && digests.every((digest) => digest?.tables?.counters?.hash === first.hash)) return first;
  }
  throw new Error(`digests differ: ${JSON.stringify(last)}`);
}

/** What a site shows that the ledger contradicts, in words; empty when all is well. */
export async function contradictions(site: DevSite, ledger: Ledger): Promise<string[]> {
  const found = new Map<number, number>();
  const repeated: string[] = [];
  const reply = await fetch(`${site.url}/v1/kills/counters/scan`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ select: ['id', 'value'] }),
  });
  const lines = (await reply.text())
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  if (!('$end' in lines.at(-1))) throw new Error(`scan at ${site.name} did not end: ${JSON.stringify(lines.at(-1))}`);
  for (const { id, value } of lines.slice(0, -1)) {
    if (found.has(id)) repeated.push(`${site.name}: row ${id} is there twice`);
    found.set(id, value);
  }
  const wrong: string[] = [];
  for (const [id, acked] of ledger.acked) {
    const value = found.get(id);
    const sent = ledger.sent.get(id)!;
    if (value === undefined) wrong.push(`${site.name}: acked row ${id} is missing`);
    else if (value !== acked && value !== sent)
      wrong.push(`${site.name}: row ${id} is ${value}, acked ${acked}, sent ${sent}`);
  }
  for (const id of found.keys()) if (!ledger.sent.has(id)) wrong.push(`${site.name}: row ${id} was never sent`);
  return [...repeated, ...wrong];
}

/** Rows in the primary's log, each counted as often as it was appended and accepted: a retry must not add any. */
export async function rowsInLog(site: DevSite): Promise<number> {
  const reply = await fetch(`${site.url}/v1/jobs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      kind: 'replay',
      keyspace: 'kills',
      table: 'counters',
      from: 'start',
      to: 'end',
      dryRun: true,
    }),
  });
  if (reply.status !== 202) throw new Error(`replay: ${reply.status} ${await reply.text()}`);
  const { id } = (await reply.json()) as { id: string };
  const progress = (await (await fetch(`${site.url}/v1/jobs/${id}`)).text()).trim().split('\n');
  const end = JSON.parse(progress.at(-1)!) as { state: string; rows?: number };
  if (end.state !== 'done' || end.rows === undefined) throw new Error(`replay ended ${progress.at(-1)}`);
  return end.rows;
}

/** Files a crash could have left half-done in a site's folder. One that is there for a moment only is being written. */
export async function temporaryFiles(site: DevSite): Promise<string[]> {
  let left: string[] = [];
  for (let tries = 0; tries < 150; tries++) {
    const names = await readdir(site.folder, { recursive: true });
    left = names.filter((name) => name.endsWith('.tmp')).map((name) => join(site.name, name));
    if (left.length === 0) break;
    await sleep(100);
  }
  return left;
}
