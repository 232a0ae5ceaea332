/**
 * The demo's story, step by step: three sites, real flights written at one of them, kill −9 of a replica and of the
 * primary in mid-load, every acked row looked up at every site, column files deleted and built again, a replay compared.
 */

import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connect } from '@tidemark/client';
import type { DevSite, Engine } from '@tidemark/dev/sites';
import { parseKeyspaceFile } from '@tidemark/schema/keyspace-file';
import { Fault } from '@tidemark/world/fault';
import { FLIGHTS_TABLE, flights } from '../load/flights.ts';
import { type Ledger, parseLedger } from '../load/ledger.ts';
import { type LoadResult, loadRows } from '../load/load-rows.ts';
import { verifyLedger } from '../load/verify-ledger.ts';
import { equalDigests, getJson, lagOf, type TableDigest } from './site-facts.ts';

const KEYSPACE_FILE = fileURLToPath(new URL('../../../examples/travel.json', import.meta.url));
const KEYSPACE = 'travel';
const TABLE = 'flights';
const LOAD_IN_FLIGHT = 4;
/** Long enough for a killed site to come back, on the same idempotency keys. */
const LOAD_TIMEOUT_MS = 60_000;

/** What one run of the demo found; the line of JSON it ends with. */
export type DemoReport = {
  engine: Engine;
  sites: string[];
  ack: string;
  rowsOffered: number;
  rowsAcked: number;
  rowsUnknown: number;
  rowsPerSecond: number;
  lagMs: { p50: number; p99: number };
  killed: { site: string; role: string; downMs: number }[];
  rowsAtSites: number[];
  ackedRowsMissing: number;
  ackedRowsWrong: number;
  digest: string | null;
  digestsEqual: boolean;
  rebuilt: { site: string; rows: number; ms: number; equal: boolean };
  replay: { records: number; rows: number; equal: boolean };
  durationMs: number;
};

export type StoryOptions = {
  readonly sites: readonly DevSite[];
  readonly engine: Engine;
  readonly rows: number;
  readonly folder: string;
  readonly startedMs: number;
  /** One line for each step, with its measured time. */
  readonly say: (line: string) => void;
};

export async function tellStory(options: StoryOptions): Promise<DemoReport> {
  const { sites, engine, rows, say, startedMs } = options;
  const urls = sites.map((site) => site.url);
  const file = parseKeyspaceFile(JSON.parse(await readFile(KEYSPACE_FILE, 'utf8')));
  await timed(say, `keyspace ${KEYSPACE}: ${file.ack}, ${file.partitions} partitions`, () =>
    defineKeyspace(urls, file),
  );

  const killed: DemoReport['killed'] = [];
  const loaded = await timed(
    say,
    (result: Loaded) =>
      `${count(result.acked)} flights written at ${file.primary}, ${count(result.rowsPerSecond)} rows/s`,
    () => loadWithKills(options, killed),
  );
  const digest = await timed(
    say,
    (found: TableDigest | null) =>
      `equal at all sites: ${found === null ? 'NO' : `${count(found.rows)} rows, ${found.hash.slice(0, 16)}`}`,
    () => equalDigests(urls, KEYSPACE, TABLE, loaded.acked),
  );
  // At the replica that was not killed.
  const lag = await lagOf(urls[1]!, KEYSPACE);
  const ledger = await readLedger(options.folder);
  const verdict = await timed(say, 'every acked row looked up at every site', () =>
    verifyLedger({ ledger, source: flights({ rows }), limit: rows, table: FLIGHTS_TABLE, sites: urls }),
  );
  const rebuilt = await timed(
    say,
    (found: DemoReport['rebuilt']) => `${found.site}: column files deleted and built again from its log`,
    () => rebuild(sites[1]!, urls, loaded.acked, digest),
  );
  const replay = await timed(
    say,
    (found: DemoReport['replay']) =>
      `replay of ${count(found.records)} records into a scratch table: ${found.equal ? 'equal' : 'DIFFERENT'}`,
    () => replayAt(sites[0]!.url, digest),
  );
  return {
    engine,
    sites: sites.map((site) => site.name),
    ack: file.ack,
    rowsOffered: rows,
    rowsAcked: loaded.acked,
    rowsUnknown: loaded.unknown,
    rowsPerSecond: loaded.rowsPerSecond,
    lagMs: { p50: lag.p50, p99: lag.p99 },
    killed,
    rowsAtSites: verdict.sites.map((site) => site.rows),
    ackedRowsMissing: verdict.missing,
    ackedRowsWrong: verdict.wrong + verdict.extra,
    digest: digest?.hash ?? null,
    digestsEqual: digest !== null,
    rebuilt,
    replay,
    durationMs: Math.round(performance.now() - startedMs),
  };
}

/** True when nothing acked is missing or wrong and everything that had to be equal is. */
export function isSound(report: DemoReport): boolean {
  const { ackedRowsMissing, ackedRowsWrong, digestsEqual, rebuilt, replay, rowsAcked } = report;
  return (
    rowsAcked > 0 && ackedRowsMissing === 0 && ackedRowsWrong === 0 && digestsEqual && rebuilt.equal && replay.equal
  );
}

async function timed<T>(
  say: StoryOptions['say'],
  what: string | ((result: T) => string),
  run: () => Promise<T>,
): Promise<T> {
  const beganMs = performance.now();
  const result = await run();
  const ms = Math.round(performance.now() - beganMs);
  say(`${typeof what === 'string' ? what : what(result)} (${count(ms)} ms)`);
  return result;
}

const count = (n: number): string => Math.round(n).toLocaleString('en');

async function defineKeyspace(urls: readonly string[], file: object): Promise<void> {
  const response = await fetch(`${urls[0]}/v1/keyspaces/${KEYSPACE}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(file),
  });
  if (!response.ok) throw new Fault('unavailable', `PUT keyspace: ${response.status} ${await response.text()}`);
  for (const url of urls) {
    for (let tries = 0; tries < 200; tries++) {
      const known = await fetch(`${url}/v1/keyspaces/${KEYSPACE}`).then(
        (r) => r.ok,
        () => false,
      );
      if (known) break;
      await sleep(50);
    }
  }
}

type Loaded = { readonly acked: number; readonly unknown: number; readonly rowsPerSecond: number };

/** The load, with the primary killed at a third of it and a replica at two thirds, each started again at once. */
async function loadWithKills(options: StoryOptions, killed: DemoReport['killed']): Promise<Loaded> {
  const { sites, rows, folder, say } = options;
  const plan = [
    { site: sites[0]!, role: 'primary', atRows: rows / 3 },
    { site: sites[2]!, role: 'replica', atRows: (rows * 2) / 3 },
  ];
  let acked = 0;
  const stop = new AbortController();
  const killing = Promise.all(
    plan.map(async ({ site, role, atRows }) => {
      while (acked < atRows && !stop.signal.aborted) await sleep(5);
      const atKill = acked;
      const beganMs = performance.now();
      await site.kill();
      await site.start();
      const downMs = Math.round(performance.now() - beganMs);
      killed.push({ site: site.name, role, downMs });
      say(
        `${role} ${site.name} killed with −9 at ${count(atKill)} rows, back after ${count(downMs)} ms; the load goes on`,
      );
    }),
  );
  await using db = await connect(
    sites.map((site) => site.url),
    { timeoutMs: LOAD_TIMEOUT_MS },
  );
  let result: LoadResult;
  try {
    result = await loadRows({
      db,
      keyspace: KEYSPACE,
      table: TABLE,
      source: flights({ rows }),
      limit: rows,
      inFlight: LOAD_IN_FLIGHT,
      ledgerPath: join(folder, 'ledger.jsonl'),
      onProgress: (progress) => {
        acked = progress.accepted;
      },
    });
  } finally {
    stop.abort();
  }
  await killing;
  return { acked: result.accepted, unknown: result.unknown, rowsPerSecond: Math.round(result.rowsPerSecond) };
}

async function readLedger(folder: string): Promise<Ledger> {
  const path = join(folder, 'ledger.jsonl');
  const ledger = parseLedger(await readFile(path, 'utf8'), path);
  if (ledger === null) throw new Fault('corrupt', `ledger ${path} is empty: nothing was acked`);
  return ledger;
}

/** Takes a site's column files away; all it has then is its log and mirrors. */
async function rebuild(
  site: DevSite,
  urls: readonly string[],
  rows: number,
  before: TableDigest | null,
): Promise<DemoReport['rebuilt']> {
  await site.kill();
  await rm(site.storeFolder, { recursive: true, force: true });
  const beganMs = performance.now();
  await site.start();
  const after = await equalDigests(urls, KEYSPACE, TABLE, rows);
  return {
    site: site.name,
    rows: after?.rows ?? 0,
    ms: Math.round(performance.now() - beganMs),
    equal: after !== null && after.hash === before?.hash,
  };
}

type ReplayEnd = {
  readonly state: string;
  readonly records?: number;
  readonly rows?: Readonly<Record<string, number>>;
};

/** Replays the primary's whole log into a scratch table and compares. */
async function replayAt(url: string, expected: TableDigest | null): Promise<DemoReport['replay']> {
  const into = 'flights_replayed';
  const response = await fetch(`${url}/v1/jobs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ kind: 'replay', keyspace: KEYSPACE, table: TABLE, from: 'start', to: 'end', into }),
  });
  if (response.status !== 202) throw new Fault('unavailable', `replay: ${response.status} ${await response.text()}`);
  const { id } = (await response.json()) as { id: string };
  const progress = await (await fetch(`${url}/v1/jobs/${id}`)).text();
  const end = JSON.parse(progress.trim().split('\n').at(-1)!) as ReplayEnd;
  const { scratch } = await getJson<{ scratch: Record<string, TableDigest> }>(`${url}/v1/internal/digest/${KEYSPACE}`);
  const found = scratch[into];
  return {
    records: end.records ?? 0,
    rows: found?.rows ?? 0,
    equal: end.state === 'done' && found !== undefined && found.hash === expected?.hash,
  };
}
