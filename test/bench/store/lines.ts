/** P16: how each figure goes with rows, columns and segments. Each point is a process of its own. */

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { print } from '../measure.ts';
import { digits } from './contest.ts';
import type { Point, PointFigures } from './line-figures.ts';

/** Rows of the lines over columns and over segments. */
export type LineSizes = { readonly sizes: readonly number[]; readonly lineRows: number };

export function measureLines({ sizes, lineRows }: LineSizes): PointFigures[] {
  const points: Point[] = [
    ...sizes.map((rows) => ({ rows, columns: 6, segments: 1 })),
    ...[3, 10, 50].map((columns) => ({ rows: lineRows, columns, segments: 1 })),
    ...[1, 8, 64].map((segments) => ({ rows: lineRows, columns: 6, segments })),
  ];
  print('P16  ours by rows, columns and segments; 6 columns are the flights, 3, 10 and 50 a generated table');
  print(
    '           rows  columns  segments  upserts/s  bytes/row  sum where ms  Mrows/s  group by ms  get p50 µs  peak MB',
  );
  return points.map((point) => {
    const figures = figuresOf(point);
    const { upsertsPerSecond, bytesPerRow, scanMs, groupMs, getMicros, peakMb, rows, columns, segments } = figures;
    const cells = [rows, columns, segments, upsertsPerSecond, bytesPerRow, scanMs, rows / scanMs / 1e3, groupMs];
    const widths = [15, 9, 10, 11, 11, 14, 9, 13, 12, 9];
    print([...cells, getMicros, peakMb].map((n, i) => inCell(n, i).padStart(widths[i]!)).join(''));
    return figures;
  });
}

function inCell(n: number, place: number): string {
  return place < 3 ? n.toLocaleString('en') : digits(n);
}

function figuresOf(point: Point): PointFigures {
  const script = fileURLToPath(new URL('line-point.ts', import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, JSON.stringify(point)], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`line-point.ts ${JSON.stringify(point)} ended with ${status}: ${stderr}`);
  return JSON.parse(stdout) as PointFigures;
}
