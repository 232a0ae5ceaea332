/** P8: one row by its key, warm, beside LMDB, which has the same keys and the cells as bytes. */

import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Value } from '@tidemark/model/column-type';
import { figureOf, percentile } from '../measure.ts';
import { contest, printRow, type Row, type Run } from './contest.ts';
import { columnNamed, type Dataset, type GetKind } from './dataset.ts';
import type { OurTable } from './our-table.ts';
import type { Lmdb, Peers } from './peers.ts';
import type { Sides } from './upserts.ts';
import { updateOf } from './writes.ts';

/** Puts of LMDB that are waited for together. */
const PUTS = 50_000;

type Cells = readonly (Value | null)[];
type Get = (key: Buffer) => Promise<Cells> | Cells;

/** `table` is settled. @returns p50 and p99 of every kind of get */
export async function measureGets(sides: Sides, peers: Peers, table: OurTable, gets: number): Promise<Row[]> {
  const { data } = sides;
  const lmdb = peers.lmdb.open({ path: join(sides.folder, 'lmdb'), encoding: 'binary', mapSize: 2 ** 36 });
  await fillLmdb(lmdb, data);
  // The same keys in every run, so that both sides are warm.
  const keys = Array.from({ length: gets }, (_, n) => data.keyOf(updateOf(n, data.rowCount).row));
  const rows: Row[] = [];
  for (const kind of data.gets) rows.push(...(await measureKind(sides, kind, keys, table, lmdb)));
  await lmdb.close();
  return rows;
}

async function measureKind(
  { data, runs }: Sides,
  kind: GetKind,
  keys: readonly Buffer[],
  table: OurTable,
  lmdb: Lmdb,
): Promise<Row[]> {
  const columns = kind.columns.map((name) => columnNamed(data.table, name));
  const ourGet: Get = (key) => table.partition.values(key, columns) as Promise<Cells> | Cells;
  const lmdbGet: Get = (key) => kind.unpack(lmdb.getBinary(key)!);
  const slowest: Record<string, number[]> = { ours: [], LMDB: [] };
  const timing = (name: string, get: Get) => async (): Promise<Run> => {
    const run = await timeGets(keys, get);
    slowest[name]!.push(run.p99);
    return { value: run.p50, answer: run.answer };
  };
  const p50 = await contest({
    id: 'P8',
    measure: `point get, ${kind.what}, warm, p50`,
    unit: 'µs',
    better: 'less',
    runs,
    ours: { name: 'ours', run: timing('ours', ourGet) },
    peers: [{ name: 'LMDB', run: timing('LMDB', lmdbGet), goal: { atLeast: 1, aim: 3 } }],
  });
  // The first of each were rounds that warm up.
  const [ours, theirs] = [figureOf(slowest.ours!.slice(-runs)), figureOf(slowest.LMDB!.slice(-runs))];
  const ratio = theirs.median / ours.median;
  const p99 = {
    ...p50,
    measure: `point get, ${kind.what}, warm, p99`,
    ours,
    peers: [{ name: 'LMDB', figure: theirs, ratio, goal: null }],
  };
  printRow(p99);
  return [p50, p99];
}

async function timeGets(keys: readonly Buffer[], get: Get): Promise<{ p50: number; p99: number; answer: string }> {
  const micros = new Float64Array(keys.length);
  const sums: number[] = [];
  for (const [i, key] of keys.entries()) {
    const startMs = performance.now();
    const found = get(key);
    const cells = found instanceof Promise ? await found : found;
    micros[i] = (performance.now() - startMs) * 1_000;
    for (let c = 0; c < cells.length; c++) {
      const [cell, sum] = [cells[c], sums[c] ?? 0];
      sums[c] = typeof cell === 'string' ? crc32(cell, sum) : sum + (cell as number);
    }
  }
  micros.sort();
  return { p50: percentile(micros, 0.5), p99: percentile(micros, 0.99), answer: sums.join(',') };
}

async function fillLmdb(lmdb: Lmdb, data: Dataset): Promise<void> {
  for (let from = 0; from < data.rowCount; from += PUTS) {
    let last: Promise<boolean> | null = null;
    for (let row = from; row < Math.min(from + PUTS, data.rowCount); row++) {
      last = lmdb.put(data.keyOf(row), data.packed(row));
    }
    await last;
  }
}
