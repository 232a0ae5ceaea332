/**
 * The demo's story, step by step: real flights written at one of three sites, that site killed with −9 in mid-load and
 * put out of reach, another one primary, the load gone on, the lost site back, every acked row looked up at every site,
 * a replay compared.
 */

import { readHistory } from '../commands/history.ts';
import { acksIn, DrillLoad, verifyLoad } from '../drill/drill-load.ts';
import { failoverAfter } from '../drill/failover-after.ts';
import { outageOf } from '../drill/outage.ts';
import { takeBack } from '../drill/returned.ts';
import { type Primary, type Stage, TABLE } from '../drill/stage.ts';
import type { DemoReport } from './demo-report.ts';
import { type Pictured, picture } from './picture.ts';
import { replayAt } from './replay-at.ts';
import { equalDigests, lagOf, type TableDigest } from './site-facts.ts';

const BATCH_ROWS = 1_000;
/** Of the rows, when the primary is lost. */
const LOST_AT = 0.4;
const LOAD_MS_MAX = 600_000;
const TAKEOVER_MS_MAX = 90_000;

type StoryOptions = {
  readonly stage: Stage;
  readonly rows: number;
  /** For the client's ledger. */
  readonly folder: string;
  readonly startedMs: number;
  /** One line for each step, with its measured time. */
  readonly say: (line: string) => void;
  /** Something to look at. */
  readonly show: (text: string) => void;
};

/** @throws {Fault} `unavailable`: nobody took over, the load did not go on, or the lost site did not return. */
export async function tellStory(options: StoryOptions): Promise<DemoReport> {
  const { stage, rows, folder, say, show, startedMs } = options;
  const before = await stage.primary(TAKEOVER_MS_MAX);
  const lost = stage.site(before.site);
  show(`\n${pictureOf(stage, before, null)}\n`);

  await using load = new DrillLoad({
    urls: stage.urls,
    keyspace: stage.keyspace,
    folder,
    batchRows: BATCH_ROWS,
    rate: 0,
    limit: rows,
  });
  await timed(
    say,
    () => `${count(load.acked)} flights acked by ${lost.name}`,
    () => load.more(rows * LOST_AT, LOAD_MS_MAX),
  );
  const faultAtMs = Date.now();
  await timed(say, `${lost.name} killed with −9 and put out of reach`, () => lost.takeAway());
  const next = await timed(
    say,
    (found) => `${found.site} is the primary, epoch ${found.epoch}`,
    () => stage.mustSucceed(before, TAKEOVER_MS_MAX),
  );
  show(`\n${pictureOf(stage, next, lost.name)}\n`);
  const loaded = await timed(
    say,
    (result) => `the load went on: ${count(result.accepted)} flights acked in all, ${count(result.unknown)} unknown`,
    () => load.ended(),
  );
  const lag = await lagOf(stage.others(lost.name).find(({ name }) => name !== next.site)!.url, stage.keyspace);
  const returned = await timed(
    say,
    (found) => `${found.site} is back: ${count(found.divergentRecords)} records beyond the epoch end, level again`,
    async () => {
      await lost.bringBack();
      return takeBack(lost, stage.keyspace);
    },
  );
  const digest = await timed(
    say,
    (found: TableDigest | null) =>
      `equal at all sites: ${found === null ? 'NO' : `${count(found.rows)} rows, ${found.hash.slice(0, 16)}`}`,
    () => equalDigests(stage.urls, stage.keyspace, TABLE, loaded.accepted),
  );
  const verdict = await timed(say, 'every acked row looked up at every site', () =>
    verifyLoad(folder, rows, stage.urls),
  );
  const replay = await timed(
    say,
    (found) => `replay of ${count(found.records)} records into a scratch table: ${found.equal ? 'equal' : 'DIFFERENT'}`,
    () => replayAt(stage.site(next.site).url, stage.keyspace, [before.site, next.site], digest),
  );
  const outage = outageOf(await acksIn(folder), faultAtMs, Date.now());
  const decision = failoverAfter((await readHistory(stage.urls, TAKEOVER_MS_MAX)).decisions, faultAtMs);
  show(`\n${pictureOf(stage, await stage.primary(TAKEOVER_MS_MAX), null)}\n`);
  return {
    engine: stage.engine,
    sites: stage.sites.map(({ name }) => name),
    ack: stage.file.ack,
    rowsOffered: rows,
    rowsAcked: loaded.accepted,
    rowsUnknown: loaded.unknown,
    lagMs: { p50: lag.p50, p99: lag.p99 },
    failover: {
      from: lost.name,
      to: outage.to,
      epoch: outage.epoch,
      detectedMs: decision === null ? null : decision.atMs - faultAtMs,
      promotedMs: next.seenAtMs - faultAtMs,
      writesBackMs: outage.writesBackMs,
    },
    ackedRowsMissing: verdict.missing,
    ackedRowsWrong: verdict.wrong + verdict.extra,
    returned,
    digestsEqual: digest !== null,
    replay,
    durationMs: Math.round(performance.now() - startedMs),
  };
}

function pictureOf(stage: Stage, primary: Primary, lost: string | null): string {
  const log = stage.engine === 'kafka' ? 'Kafka' : 'SQLite';
  const sites = stage.sites.map(({ name }): Pictured => {
    if (name === lost) return { site: name, lines: ['killed with −9,', 'out of reach'], isLost: true };
    if (name !== primary.site) return { site: name, lines: ['replica', `mirror (${log}), files`] };
    return { site: name, lines: [`primary, epoch ${primary.epoch}`, `log (${log}), files`] };
  });
  return picture(sites);
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
