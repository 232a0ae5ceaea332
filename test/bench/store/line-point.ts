/** `node line-point.ts '{"rows":…,"columns":…,"segments":…}'`: one point of P16, its answers checked against the data. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeKey } from '@tidemark/columnar/key';
import type { Query } from '@tidemark/model/query';
import { letHeapGrow } from '@tidemark/platform/process/heap-growth';
import type { MutateBody } from '@tidemark/record/envelope';
import { percentile } from '../measure.ts';
import { Flights, TABLE } from './flights.ts';
import { generatedBodies, generatedNumber, generatedTable } from './generated.ts';
import type { Point, PointFigures } from './line-figures.ts';
import { bodiesOf, OurTable } from './our-table.ts';
import { timed } from './stopwatch.ts';
import { updateOf } from './writes.ts';

const SCANS = 5;
const GETS = 2_000;

/** What there is to load and to ask, and what the answer to the sum must be. */
type Load = {
  readonly bodies: (from: number, count: number) => Iterable<MutateBody>;
  readonly keyOf: (row: number) => Buffer;
  readonly sum: Query;
  readonly expected: string;
  readonly group: Query;
};

letHeapGrow();
const point = JSON.parse(process.argv[2]!) as Point;
const table = point.columns === 6 ? TABLE : generatedTable(point.columns);
const load = point.columns === 6 ? await flightsLoad(point.rows) : generatedLoad(point.rows);
const folder = mkdtempSync(join(tmpdir(), 'tidemark-line-'));
try {
  process.stdout.write(`${JSON.stringify(await measure())}\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function measure(): Promise<PointFigures> {
  const ours = await OurTable.open(folder, { compaction: false }, table);
  const upserts = await fill(ours);
  if (point.segments === 1) await ours.partition.compact();
  const bytesPerRow = ours.partition.segmentBytes / point.rows;
  const scanMs = await middle(async () => {
    const answer = await ours.answer(load.sum);
    if (answer !== load.expected) throw new Error(`got ${answer}, expected ${load.expected}`);
  });
  const groupMs = await middle(() => ours.answer(load.group));
  const getMicros = await timeGets(ours);
  await ours.close();
  const peakMb = process.resourceUsage().maxRSS / 1024;
  return { ...point, upsertsPerSecond: upserts, bytesPerRow, scanMs, groupMs, getMicros, peakMb };
}

/** Rows a second, flushes with their syncs in it; making the records is not. */
async function fill(ours: OurTable): Promise<number> {
  let ms = 0;
  const share = Math.ceil(point.rows / point.segments);
  for (let from = 0; from < point.rows; from += share) {
    for (const body of load.bodies(from, Math.min(share, point.rows - from))) {
      ms += (await timed(() => ours.apply([body]))).ms;
    }
    ms += (await timed(() => ours.partition.flush())).ms;
  }
  return (point.rows / ms) * 1_000;
}

async function timeGets(ours: OurTable): Promise<number> {
  const micros = new Float64Array(GETS);
  for (let pass = 0; pass < 2; pass++) {
    for (let n = 0; n < GETS; n++) {
      const key = load.keyOf(updateOf(n, point.rows).row);
      const startMs = performance.now();
      const result = await ours.partition.get(key);
      micros[n] = (performance.now() - startMs) * 1_000;
      if (result === null) throw new Error(`no row with key ${key.toString('hex')}`);
    }
  }
  return percentile(micros.sort(), 0.5);
}

async function middle(work: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let scan = -1; scan < SCANS; scan++) {
    const { ms } = await timed(work);
    if (scan >= 0) times.push(ms);
  }
  return percentile(
    times.sort((a, b) => a - b),
    0.5,
  );
}

async function flightsLoad(rows: number): Promise<Load> {
  const flights = await Flights.load(rows);
  let expected = 0;
  for (let row = 0; row < rows; row++) if (flights.delay(row) > 30) expected += flights.distance(row);
  return {
    bodies: (from, count) => bodiesOf(flights, count, (n) => ({ row: from + n, update: null })),
    keyOf: (row) => flights.keyOf(row),
    sum: { select: [{ sum: 'distance' }], where: [['delay', '>', 30]] },
    expected: String(expected),
    group: { select: ['origin', { avg: 'delay' }], groupBy: ['origin'] },
  };
}

function generatedLoad(rows: number): Load {
  const last = point.columns - 1 - ((point.columns - 1) % 3);
  let expected = 0;
  for (let row = 0; row < rows; row++) if (generatedNumber(row, 0) > 500) expected += generatedNumber(row, last);
  return {
    bodies: (from, count) => generatedBodies(table, count, (n) => updateOf(from + n, rows).row),
    keyOf: (row) => encodeKey(table, [BigInt(row)]),
    sum: { select: [{ sum: `c${last}` }], where: [['c0', '>', 500]] },
    expected: String(expected),
    group: { select: ['c2', { avg: 'c0' }], groupBy: ['c2'] },
  };
}
