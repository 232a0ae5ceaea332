/** P8: one row by its key, warm, beside LMDB, which has the same keys and the cells as bytes. */

import { join } from 'node:path';
import type { Value } from '@tidemark/schema/column-type';
import { figureOf, percentile } from '../measure.ts';
import { contest, printRow, type Row, type Run } from './contest.ts';
import { type Flights, TABLE, updateOf } from './flights.ts';
import { flightKey, type OurTable } from './our-table.ts';
import type { Lmdb, Peers } from './peers.ts';
import type { Sides } from './upserts.ts';

const VALUE_BYTES = 8;
const COLUMNS = ['delay', 'distance'].map((name) => TABLE.columns.find((c) => c.name === name)!);
/** Puts of LMDB that are waited for together. */
const PUTS = 50_000;

/** `table` is settled. @returns p50 and p99 */
export async function measureGets(sides: Sides, peers: Peers, table: OurTable, gets: number): Promise<Row[]> {
  const { flights, runs } = sides;
  const lmdb = peers.lmdb.open({ path: join(sides.folder, 'lmdb'), encoding: 'binary', mapSize: 2 ** 36 });
  await fillLmdb(lmdb, flights);
  // The same keys in every run, so that both sides are warm.
  const keys = Array.from({ length: gets }, (_, n) => flightKey(flights, updateOf(n, flights.rowCount).row));
  const slowest: Record<string, number[]> = { ours: [], LMDB: [] };
  const timing = (name: string, get: (key: Buffer) => Promise<Cells> | Cells) => async (): Promise<Run> => {
    const run = await timeGets(keys, get);
    slowest[name]!.push(run.p99);
    return { value: run.p50, answer: run.answer };
  };
  const p50 = await contest({
    id: 'P8',
    measure: 'point get, warm, p50',
    unit: 'µs',
    better: 'less',
    runs,
    ours: { name: 'ours', run: timing('ours', (key) => ourGet(table, key)) },
    peers: [{ name: 'LMDB', run: timing('LMDB', (key) => lmdbGet(lmdb, key)), goal: { atLeast: 1, aim: 3 } }],
  });
  await lmdb.close();
  // The first of each were rounds that warm up.
  const [ours, theirs] = [figureOf(slowest.ours!.slice(-runs)), figureOf(slowest.LMDB!.slice(-runs))];
  const ratio = theirs.median / ours.median;
  const p99 = {
    ...p50,
    measure: 'point get, warm, p99',
    ours,
    peers: [{ name: 'LMDB', figure: theirs, ratio, goal: null }],
  };
  printRow(p99);
  return [p50, p99];
}

type Cells = { readonly delay: number; readonly distance: number };

function ourGet(table: OurTable, key: Buffer): Promise<Cells> | Cells {
  const values = table.partition.values(key, COLUMNS);
  return values instanceof Promise ? values.then(cellsOf) : cellsOf(values);
}

function cellsOf(values: readonly (Value | null)[] | null): Cells {
  return { delay: values![0] as number, distance: values![1] as number };
}

function lmdbGet(lmdb: Lmdb, key: Buffer): Cells {
  const value = lmdb.getBinary(key)!;
  return { delay: value.readInt32LE(0), distance: value.readInt32LE(4) };
}

async function timeGets(
  keys: readonly Buffer[],
  get: (key: Buffer) => Promise<Cells> | Cells,
): Promise<{ p50: number; p99: number; answer: string }> {
  const micros = new Float64Array(keys.length);
  let [delays, distances] = [0, 0];
  for (const [i, key] of keys.entries()) {
    const startMs = performance.now();
    const found = get(key);
    const cells = found instanceof Promise ? await found : found;
    micros[i] = (performance.now() - startMs) * 1_000;
    delays += cells.delay;
    distances += cells.distance;
  }
  micros.sort();
  return { p50: percentile(micros, 0.5), p99: percentile(micros, 0.99), answer: `${delays},${distances}` };
}

async function fillLmdb(lmdb: Lmdb, flights: Flights): Promise<void> {
  for (let from = 0; from < flights.rowCount; from += PUTS) {
    let last: Promise<boolean> | null = null;
    for (let row = from; row < Math.min(from + PUTS, flights.rowCount); row++) {
      const value = Buffer.alloc(VALUE_BYTES);
      value.writeInt32LE(flights.delay(row), 0);
      value.writeInt32LE(flights.distance(row), 4);
      last = lmdb.put(flightKey(flights, row), value);
    }
    await last;
  }
}
