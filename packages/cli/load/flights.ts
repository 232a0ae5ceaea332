/** The real flights: three million rows of US on-time data of 2001, from the npm package vega-datasets. */

import { fileURLToPath } from 'node:url';
import { formatTimestamp } from '@tidemark/model/text/time';
import { ParquetFile } from './parquet.ts';
import { microsOf } from './parquet-cell.ts';
import type { RowSource } from './row-source.ts';

const COLUMNS = ['origin', 'date', 'destination', 'delay', 'distance'] as const;
const ROWS_A_BLOCK = 4096;

/** The table the flights go to, as its part of a keyspace file. */
export const FLIGHTS_TABLE = {
  columns: { origin: 'string', date: 'timestamp', destination: 'string', line: 'int', delay: 'int', distance: 'int' },
  partitionKey: 'origin',
  sortKey: ['date', 'destination', 'line'],
} as const;

/** Where the file is. It is no export of its package, so it is looked for beside what is. */
export function flightsPath(): string {
  return fileURLToPath(new URL('../data/flights-3m.parquet', import.meta.resolve('vega-datasets')));
}

/**
 * The flights as rows of `FLIGHTS_TABLE`, in the order of the file, which is by date. `line` tells apart flights that
 * left one airport for another in the same minute: how many such stand before it in the file. So every row has a key
 * of its own, and the same one each time.
 * @param from rows left out at the start
 * @param rows at most so many; the file has 3,000,000
 */
export function flights({
  rows = 3_000_000,
  from = 0,
}: {
  readonly rows?: number;
  readonly from?: number;
} = {}): RowSource {
  return {
    name: `flights-3m.parquet rows ${from + 1} to ${from + rows}`,
    async *lines(skipRows) {
      const file = await ParquetFile.open(flightsPath());
      const first = from + skipRows;
      const end = Math.min(from + rows, file.rowCount);
      const counter = new SameFlights();
      // One row group ahead: the count of equal flights begins anew with each minute, so that is far enough back.
      for await (const block of file.blocks(COLUMNS, first, 1, end)) {
        const columns = COLUMNS.map((name) => block.columns.get(name)!);
        for (let row = 0; row < block.rowCount; row += ROWS_A_BLOCK) {
          const rowEnd = Math.min(row + ROWS_A_BLOCK, block.rowCount, end - block.firstRow);
          const lines = flightLines(columns, row, rowEnd, counter);
          const early = first - block.firstRow - row;
          if (early < lines.length) yield early > 0 ? lines.slice(early) : lines;
        }
        if (block.firstRow + block.rowCount >= end) return;
      }
    },
  };
}

function flightLines(columns: readonly ArrayLike<unknown>[], from: number, to: number, counter: SameFlights): string[] {
  const [origins, dates, destinations, delays, distances] = columns as [
    ArrayLike<string>,
    ArrayLike<unknown>,
    ArrayLike<string>,
    ArrayLike<bigint>,
    ArrayLike<bigint>,
  ];
  const lines: string[] = [];
  for (let row = from; row < to; row++) {
    const origin = origins[row]!;
    const destination = destinations[row]!;
    const line = counter.take(microsOf(dates[row]), origin, destination);
    lines.push(
      `{"origin":"${origin}","date":"${counter.date}","destination":"${destination}","line":${line},"delay":${delays[row]},"distance":${distances[row]}}`,
    );
  }
  return lines;
}

/** Counts equal flights within a minute of the file, which is in order of time. */
class SameFlights {
  /** The minute's text. */
  date = '';
  #micros = Number.NaN;
  readonly #seen = new Map<string, number>();

  take(micros: number, origin: string, destination: string): number {
    if (micros !== this.#micros) {
      this.#micros = micros;
      this.#seen.clear();
      this.date = formatTimestamp(micros);
    }
    const place = origin + destination;
    const earlier = this.#seen.get(place) ?? 0;
    this.#seen.set(place, earlier + 1);
    return earlier;
  }
}
