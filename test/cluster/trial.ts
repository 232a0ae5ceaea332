/**
 * What the cluster lane tries on three healthy sites: flights loaded at one and equal at all, more of them while one
 * site is cut off, more while the primary's containers are killed and another site takes over, and in the end every
 * acked row looked up at every site.
 */

import { join } from 'node:path';
import { equalDigests, lagOf } from '@tidemark/cli/demo/site-facts';
import { FLIGHTS_TABLE, flights } from '@tidemark/cli/load/flights';
import { readLedger } from '@tidemark/cli/load/ledger-file';
import { type LoadResult, loadRows } from '@tidemark/cli/load/load-rows';
import { verifyLedger } from '@tidemark/cli/load/verify-ledger';
import { connect } from '@tidemark/client';
import { Fault } from '@tidemark/platform/fault';
import { type CutReport, cutForAWhile } from './cut.ts';
import { run } from './docker.ts';
import { type LostPrimaryReport, losePrimary } from './lose-primary.ts';
import { waitUntil } from './positions.ts';

const SITES = [
  { site: 'paris', url: 'http://127.0.0.1:7410' },
  { site: 'tokyo', url: 'http://127.0.0.1:7420' },
  { site: 'quito', url: 'http://127.0.0.1:7430' },
] as const;
const [PRIMARY, , CUT] = SITES;
const URLS = SITES.map(({ url }) => url);
const KEYSPACE = 'travel';
const TABLE = 'flights';
const LEDGER = 'ledger.jsonl';
const BATCH_ROWS = 1_000;
const APPLY_MS_MAX = 60_000;
const READY_MS_MAX = 120_000;
/** A batch before the cut and one during it; and what the file of flights has. */
export const ROWS_MIN = 2 * BATCH_ROWS;
export const ROWS_MAX = 3_000_000;
/** The load outlasts the cut by so much. */
const AFTER_CUT_S = 10;

export type TrialOptions = {
  readonly rows: number;
  readonly cutS: number;
  /** For the ledger. */
  readonly folder: string;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
};

export type TrialReport = {
  readonly sites: readonly string[];
  readonly rowsOffered: number;
  readonly rowsAcked: number;
  readonly rowsUnknown: number;
  /** Of the first half, which goes as fast as it can. */
  readonly rowsPerSecond: number;
  readonly ackMs: { readonly p50: number | null; readonly p99: number | null };
  /** Of the first half: now − stamp when rows were applied at the worse of the two replicas. */
  readonly lagMs: { readonly p50: number; readonly p99: number };
  readonly equalBeforeCut: boolean;
  readonly cut: CutReport;
  readonly failover: LostPrimaryReport;
  readonly rowsAtSites: readonly number[];
  readonly ackedRowsMissing: number;
  readonly ackedRowsWrong: number;
  readonly examples: readonly string[];
  readonly digest: string | null;
};

/** @throws {Fault} `unavailable`: a site did not answer, or a load did not come to its end. */
export async function tryCluster(options: TrialOptions): Promise<TrialReport> {
  const { rows, cutS, say, signal } = options;
  const tidemark = ['packages/cli/tidemark.js', 'apply', 'examples/travel.json', '--site', PRIMARY.url];
  await run(process.execPath, tidemark, APPLY_MS_MAX, signal);
  if (!(await waitUntil(areReady, READY_MS_MAX))) {
    throw new Fault('unavailable', `keyspace ${KEYSPACE} does not run at all sites after ${READY_MS_MAX} ms`);
  }

  // Whole batches: the second load takes up the ledger after the last of them.
  const half = Math.floor(rows / 2 / BATCH_ROWS) * BATCH_ROWS;
  const first = await load(options, { limit: half });
  say(`${first.accepted} rows acked at ${PRIMARY.site}, ${Math.round(first.rowsPerSecond)} rows/s`);
  const before = await equalDigests(URLS, KEYSPACE, TABLE, first.accepted);
  say(`digests before the cut: ${before === null ? 'DIFFERENT' : `equal, ${before.rows} rows`}`);
  const lags = await Promise.all(URLS.slice(1).map((url) => lagOf(url, KEYSPACE)));

  const rate = Math.max(1, Math.ceil((rows - half) / (cutS + AFTER_CUT_S)));
  const loading = load(options, { limit: rows, rate });
  const cutting = cutForAWhile({ ...options, keyspace: KEYSPACE, cut: CUT, primary: PRIMARY, cutMs: cutS * 1000 });
  const [second, cut] = await Promise.all([loading, cutting]);
  const failover = await losePrimary({ ...options, keyspace: KEYSPACE, sites: SITES, batchRows: BATCH_ROWS });
  const acked = first.accepted + second.accepted + failover.rowsAcked;
  const after = await equalDigests(URLS, KEYSPACE, TABLE, acked);
  say(`digests at the end: ${after === null ? 'DIFFERENT' : `equal, ${after.rows} rows`}`);

  const ledger = await readLedger(join(options.folder, LEDGER));
  if (ledger === null) throw new Fault('corrupt', 'the ledger is empty: nothing was acked');
  const offered = Math.max(...[...ledger.entries.values()].map(({ lastRow }) => lastRow));
  const verdict = await verifyLedger({ ledger, source: flights(), limit: offered, table: FLIGHTS_TABLE, sites: URLS });
  say(`${verdict.checked} look-ups: ${verdict.missing} missing, ${verdict.wrong + verdict.extra} wrong`);
  return {
    sites: SITES.map(({ site }) => site),
    rowsOffered: offered,
    rowsAcked: acked,
    rowsUnknown: first.unknown + second.unknown,
    rowsPerSecond: Math.round(first.rowsPerSecond),
    ackMs: { p50: first.p50, p99: first.p99 },
    lagMs: { p50: Math.max(...lags.map((lag) => lag.p50)), p99: Math.max(...lags.map((lag) => lag.p99)) },
    equalBeforeCut: before !== null,
    cut,
    failover,
    rowsAtSites: verdict.sites.map((one) => one.rows),
    ackedRowsMissing: verdict.missing,
    ackedRowsWrong: verdict.wrong + verdict.extra,
    examples: verdict.sites.flatMap((one) => one.examples),
    digest: after?.hash ?? null,
  };
}

/** True when everything was acked and is where it has to be, and the cut was one. */
export function isSound(report: TrialReport): boolean {
  const { rowsOffered, rowsAcked, ackedRowsMissing, ackedRowsWrong, equalBeforeCut, digest, cut, failover } = report;
  const kept = rowsAcked === rowsOffered && ackedRowsMissing === 0 && ackedRowsWrong === 0;
  const wasLost = failover.to !== null && failover.to !== failover.from;
  const wasCut = cut.recordsBehind > 0 && cut.stateSeen !== 'alive';
  return kept && wasLost && equalBeforeCut && digest !== null && wasCut && cut.caughtUpMs !== null && cut.seenAlive;
}

async function areReady(): Promise<boolean> {
  const answers = await Promise.all(URLS.map((url) => fetch(`${url}/readyz`)));
  return answers.every((answer) => answer.ok);
}

/** Loads the flights up to `limit`; what the ledger holds already is not sent again. */
async function load(
  { folder, signal }: TrialOptions,
  { limit, rate = 0 }: { readonly limit: number; readonly rate?: number },
): Promise<LoadResult> {
  await using db = await connect(URLS, { timeoutMs: 60_000 });
  const result = await loadRows({
    db,
    keyspace: KEYSPACE,
    table: TABLE,
    source: flights(),
    limit,
    batchRows: BATCH_ROWS,
    rate,
    ledgerPath: join(folder, LEDGER),
    resume: true,
    signal,
  });
  if (result.stoppedBy !== null) {
    const why = result.stoppedBy === 'signal' ? 'interrupted' : result.stoppedBy.message;
    throw new Fault('unavailable', `the load stopped after ${result.accepted} rows: ${why}`);
  }
  return result;
}
