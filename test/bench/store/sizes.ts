/** P13 and P14: bytes of a row on disk, and of a live key in memory. */

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { figureOf } from '../measure.ts';
import { type Goal, printRow, type Row } from './contest.ts';
import type { OurTable } from './our-table.ts';
import type { Sides } from './upserts.ts';

/** `table` is settled. */
export function measureDiskBytes({ data, duck, click }: Sides, table: OurTable): Row {
  const rows = data.rowCount;
  return sizeRow('P13', `bytes of a row on disk, ${data.table.name}`, table.partition.segmentBytes / rows, [
    ['Parquet with zstd, in our key order', duck.bytes('rows.parquet') / rows, { atLeast: 1 / 1.2, aim: 1 / 0.9 }],
    ['DuckDB file', duck.bytes('table.duckdb') / rows, null],
    ['ClickHouse MergeTree', click.bytes('settled') / rows, null],
  ]);
}

/** Each in a process of its own, so that all the memory there is counts. */
export function measureMemoryBytes(keys: number): Row {
  const ours = memoryOf('memtable', keys);
  const map = memoryOf('map', keys);
  if (ours.answer !== map.answer) throw new Error(`P14: the map says ${map.answer}, ours ${ours.answer}`);
  const measure = `bytes of a live key in memory, ${keys.toLocaleString('en')} keys`;
  return sizeRow('P14', measure, ours.bytes / keys, [
    ['Map of objects with stamps', map.bytes / keys, { atLeast: 2, aim: 2.7 }],
  ]);
}

function memoryOf(what: 'memtable' | 'map', keys: number): { readonly bytes: number; readonly answer: string } {
  const script = fileURLToPath(new URL('memory.ts', import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', script, what, String(keys)], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`memory.ts ${what} ended with ${status}: ${stderr}`);
  return JSON.parse(stdout) as { readonly bytes: number; readonly answer: string };
}

function sizeRow(id: string, measure: string, ours: number, peers: readonly [string, number, Goal | null][]): Row {
  const row: Row = {
    id,
    measure,
    unit: 'bytes',
    ours: figureOf([ours]),
    peers: peers.map(([name, bytes, goal]) => ({ name, figure: figureOf([bytes]), ratio: bytes / ours, goal })),
  };
  printRow(row);
  return row;
}
