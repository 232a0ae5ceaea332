/**
 * `npm run reader-abuse -- [--rows 1500000] [--seconds 15] [--only "or of 500;or of 2,000"] [--engine kafka]`: three real sites; the
 * primary is abused by readers in one way after the other, while others probe it as the watchdogs do and put rows. A table
 * row for each abuse; exit 1 when one of them was not held.
 */

import { fork } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Stage } from '@tidemark/cli/drill/stage';
import { PROGRAM } from '@tidemark/cli/program';
import { encodeColumnarRows } from '@tidemark/columnar/columnar-write';
import { Reaper } from '@tidemark/dev/reaper';
import { type ColumnType, parseColumnType } from '@tidemark/model/column-type';
import { idlePercent } from '../bench/process-cost.ts';
import { postAll } from '../bench/site-load.ts';
import { type Abuse, abusesOf, GROUP_ROWS } from './abuse/abuses.ts';
import { type Measured, Meter, type Taken } from './abuse/meter.ts';
import { percentile } from './percentile.ts';

const PROBE_P99_MS_MAX = 100;
const PUT_P99_MORE_MS_MAX = 250;
const BACK_MS_MAX = 5_000;
const BATCH_ROWS = 8_000;
const LANES = 4;
const ORIGINS = 300;
/** After the load column files are written and merged: until a site that is asked for nothing takes so little of a core. */
const SETTLED_PERCENT = 15;
const SETTLE_LOOK_MS = 3_000;
const SETTLE_MS_MAX = 60_000;
const QUERY_MS = 10_000;
const ABUSER = fileURLToPath(new URL('./abuse/abuser.ts', import.meta.url));

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '1500000' },
    seconds: { type: 'string', default: '15' },
    only: { type: 'string' },
    engine: { type: 'string', default: 'embedded' },
  },
});

function say(line: string): void {
  process.stderr.write(`${(performance.now() / 1_000).toFixed(1).padStart(7)} s  ${line}\n`);
}

const TYPES = new Map<string, ColumnType>(
  Object.entries({
    origin: 'string',
    date: 'timestamp',
    destination: 'string',
    line: 'int',
    delay: 'int',
    distance: 'int',
  }).map(([name, type]) => [name, parseColumnType(type)]),
);

function bodyOf(from: number, count: number, rowCount: number): Buffer {
  const rows = Array.from({ length: count }, (_, n) => {
    const i = from + n;
    return {
      origin: `A${i % ORIGINS}`,
      date: 979_150_800_000_000 + i * 1_000_000,
      destination: `D${(i * 31) % 97}`,
      line: i,
      delay: (i * 7_919) % rowCount,
      distance: Math.floor(i / GROUP_ROWS),
    };
  });
  return encodeColumnarRows(TYPES, rows);
}

async function load(url: string, rowCount: number): Promise<void> {
  const bodies = Array.from({ length: Math.ceil(rowCount / BATCH_ROWS) }, (_, i) =>
    bodyOf(i * BATCH_ROWS, Math.min(BATCH_ROWS, rowCount - i * BATCH_ROWS), rowCount),
  );
  await postAll(url, bodies, LANES);
}

async function settled(stage: Stage): Promise<void> {
  for (const untilMs = performance.now() + SETTLE_MS_MAX; performance.now() < untilMs; ) {
    const percents = await idlePercent(stage.sites, SETTLE_LOOK_MS);
    if ([...percents.values()].every((percent) => percent < SETTLED_PERCENT)) return;
  }
}

/** What a site says itself that its process may hold. */
async function memoryBudgetMb(at: string): Promise<number> {
  const text = await (await fetch(`${at}/metrics`)).text();
  const parts = [...text.matchAll(/^tidemark_memory_budget_bytes\{.*\} (\d+)$/gm)];
  return parts.reduce((sum, [, bytes]) => sum + Number(bytes), 0) / 1024 / 1024;
}

type Row = {
  readonly name: string;
  readonly measured: Measured;
  readonly statuses: Readonly<Record<string, number>>;
  readonly failovers: number;
  /** Time from the end of the abuse until the last probe, put or query that was not as usual; null: longer than looked at. */
  readonly backMs: number | null;
};

const p99 = (taken: readonly Taken[]): number =>
  percentile(
    taken.map(({ ms }) => ms),
    0.99,
  ) ?? 0;

/** The last moment after the end at which something was not as usual. */
async function backAfter(meter: Meter, url: string, putMsMax: number): Promise<number | null> {
  const endMs = performance.now();
  let lastMs = endMs;
  const body = JSON.stringify({ select: [{ count: '*' }], where: [['delay', '=', 5]] });
  const headers = { 'content-type': 'application/json' };
  while (performance.now() < endMs + BACK_MS_MAX + 1_000) {
    const askedMs = performance.now();
    const signal = AbortSignal.timeout(QUERY_MS);
    const answer = await fetch(`${url}/v1/travel/flights/scan`, { method: 'POST', headers, body, signal }).catch(
      () => null,
    );
    await answer?.arrayBuffer();
    if (answer?.ok !== true || performance.now() - askedMs > 1_000) lastMs = performance.now();
    await sleep(100);
  }
  const { probes, puts } = meter.take();
  const late = [...probes.filter(({ ms }) => ms > PROBE_P99_MS_MAX), ...puts.filter(({ ms }) => ms > putMsMax)].map(
    ({ atMs }) => atMs,
  );
  // One in a hundred may be late at any time.
  const allowed = Math.ceil((probes.length + puts.length) / 100);
  const last = late.length > allowed ? Math.max(lastMs, ...late) : lastMs;
  return last - endMs > BACK_MS_MAX ? null : Math.round(last - endMs);
}

async function run(stage: Stage, abuse: Abuse, ms: number, putMsMax: number): Promise<Row> {
  const before = await stage.primary(QUERY_MS);
  const { url } = stage.site(before.site);
  const meter = new Meter(stage, before.site);
  const abuser = fork(ABUSER);
  abuser.send({ abuse, url });
  const ended = new Promise<Record<string, number>>((resolve, reject) => {
    abuser.once('message', (statuses) => resolve(statuses as Record<string, number>));
    abuser.once('error', reject);
  });
  await sleep(ms);
  const measured = meter.take();
  abuser.send('stop');
  const [statuses, backMs] = await Promise.all([ended, backAfter(meter, url, putMsMax)]);
  await meter.stop();
  const after = await stage.primary(QUERY_MS);
  return { name: abuse.name, measured, statuses, failovers: after.epoch - before.epoch, backMs };
}

function missedBy({ measured, failovers, backMs }: Row, putMsMax: number, rssMbMax: number): string[] {
  const missed: string[] = [];
  if (p99(measured.probes) > PROBE_P99_MS_MAX) missed.push('probe');
  if (p99(measured.puts) > putMsMax) missed.push('put');
  if (measured.suspicions > 0) missed.push('suspicion');
  if (failovers > 0) missed.push('failover');
  if (measured.rssMb > rssMbMax) missed.push('RSS');
  if (backMs === null) missed.push('back');
  if (Object.keys(measured.failed).length > 0) missed.push(JSON.stringify(measured.failed));
  return missed;
}

const HEAD = [
  'abuse',
  'answers',
  'probe p50/p99/max ms',
  'put p50/p99 ms',
  'refused',
  'own p99 ms',
  'suspicions',
  'failovers',
  'RSS MB',
  'back ms',
  'held',
];

function cellsOf(row: Row, missed: readonly string[]): string[] {
  const { probes, puts, ownMs, refusedWithRetry, suspicions, rssMb } = row.measured;
  const at = (taken: readonly Taken[], share: number): number =>
    Math.round(
      percentile(
        taken.map(({ ms }) => ms),
        share,
      ) ?? 0,
    );
  const answers = Object.entries(row.statuses).map(([status, count]) => `${status}: ${count}`);
  return [
    row.name,
    answers.join(', '),
    [0.5, 0.99, 1].map((share) => at(probes, share)).join('/'),
    [0.5, 0.99].map((share) => at(puts, share)).join('/'),
    String(refusedWithRetry),
    String(Math.round(percentile(ownMs, 0.99) ?? 0)),
    String(suspicions),
    String(row.failovers),
    String(Math.round(rssMb)),
    row.backMs === null ? `> ${BACK_MS_MAX}` : String(row.backMs),
    missed.length === 0 ? 'held' : `NOT: ${missed.join(', ')}`,
  ];
}

const [rowCount, seconds] = [Number(values.rows), Number(values.seconds)];
if (
  ![rowCount, seconds].every((one) => Number.isInteger(one) && one > 0) ||
  !['embedded', 'kafka'].includes(values.engine)
) {
  say(
    `--rows ${values.rows} --seconds ${values.seconds} --engine ${values.engine}: expected whole numbers, and embedded or kafka`,
  );
  process.exit(2);
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));
await using reaper = Reaper.start();
const folder = await reaper.scratchFolder('reader-abuse');
const stage = await Stage.open({
  program: PROGRAM,
  engine: values.engine as 'embedded' | 'kafka',
  folder,
  reaper,
  say,
});
const { url } = stage.sites[0]!;
await load(url, rowCount);
say(`${rowCount} rows are written`);
await settled(stage);
say('the sites are at rest');
const rssMbMax = await memoryBudgetMb(url);
say(`its memory budget is ${Math.round(rssMbMax)} MiB`);
const only = values.only?.split(';');
const chosen = abusesOf(rowCount).filter(({ name }) => name === 'none' || only === undefined || only.includes(name));
console.log(`| ${HEAD.join(' | ')} |\n|${HEAD.map(() => '---|').join('')}`);
let putMsMax = Number.POSITIVE_INFINITY;
let isHeld = true;
for (const abuse of chosen) {
  const row = await run(stage, abuse, seconds * 1_000, putMsMax);
  if (abuse.name === 'none') putMsMax = p99(row.measured.puts) + PUT_P99_MORE_MS_MAX;
  const missed = missedBy(row, putMsMax, rssMbMax);
  if (missed.length > 0) isHeld = false;
  console.log(`| ${cellsOf(row, missed).join(' | ')} |`);
}
await stage[Symbol.asyncDispose]();
process.exit(isHeld ? 0 : 1);
