/** Three sites on the embedded engine, filled with flights, and asked over HTTP what an application asks all day. */

import { PROGRAM } from '@tidemark/cli/program';
import type { Reaper } from '@tidemark/dev/reaper';
import { type DevSite, startSites } from '@tidemark/dev/sites';
import { formatTimestamp } from '@tidemark/model/text/time';
import { columnarBodies, keyspaceFile } from '../flight-rows.ts';
import { print } from '../measure.ts';
import { define, postColumns, Reached } from '../site-load.ts';
import type { Flights } from '../store/flights.ts';
import { updateOf } from '../store/writes.ts';
import { type AskedFigures, askedBy, figuresOf } from './asking.ts';
import { HttpLane, requestBytes } from './http-lane.ts';

const BATCH_ROWS = 8_000;
const PARTITIONS = 8;
/** Rows of a range, and keys of a request for many. */
const ROWS = 20;
const ROWS_PATH = '/v1/travel/flights/rows';

/** What is asked, and for which rows each time. */
export type Question = { readonly what: string; readonly of: (data: Flights, row: number) => Wanted };

/** A question of one flight: its airport, and from when on. */
export type Wanted = { readonly method: 'GET' | 'POST'; readonly path: string; readonly body: object | null };

const get = (path: string): Wanted => ({ method: 'GET', path: `${ROWS_PATH}/${path}`, body: null });
const scan = (body: object): Wanted => ({ method: 'POST', path: '/v1/travel/flights/scan', body });
const dateOf = (data: Flights, row: number): string => formatTimestamp(data.date(row));

export const QUESTIONS: readonly Question[] = [
  { what: 'the first 20 flights of an airport', of: (data, row) => get(`${data.origin(row)}?limit=${ROWS}`) },
  { what: 'its newest 20', of: (data, row) => get(`${data.origin(row)}?limit=${ROWS}&order=desc`) },
  {
    what: '20 from a moment on',
    of: (data, row) => get(`${data.origin(row)}?limit=${ROWS}&from=${dateOf(data, row)}`),
  },
  {
    what: 'the same as a scan',
    of: (data, row) =>
      scan({
        where: [
          ['origin', '=', data.origin(row)],
          ['date', '>=', dateOf(data, row)],
        ],
        orderBy: [['date', 'asc']],
        limit: ROWS,
      }),
  },
  {
    what: 'one flight by its key',
    of: (data, row) => get([data.origin(row), dateOf(data, row), data.destination(row), data.line(row)].join('/')),
  },
  {
    what: '20 flights by their keys in one request',
    of: (data, row) => ({
      method: 'POST',
      path: `${ROWS_PATH}/get`,
      body: { keys: Array.from({ length: ROWS }, (_, i) => keyOf(data, updateOf(row + i, data.rowCount).row)) },
    }),
  },
];

function keyOf(data: Flights, row: number): object {
  return {
    origin: data.origin(row),
    date: dateOf(data, row),
    destination: data.destination(row),
    line: data.line(row),
  };
}

/** Sites that hold the flights: rows are applied at all of them. */
export async function filledSites(data: Flights, folder: string, reaper: Reaper): Promise<readonly DevSite[]> {
  const sites = await startSites({ program: PROGRAM, engine: 'embedded', count: 3, folder, reaper, firstPort: null });
  const [primary] = sites;
  const names = sites.map(({ name }) => name);
  const bodyOf = (from: number): Buffer => {
    const rows = Array.from({ length: Math.min(BATCH_ROWS, data.rowCount - from) }, (_, i) => ({
      origin: data.origin(from + i),
      date: data.date(from + i),
      destination: data.destination(from + i),
      line: data.line(from + i),
      delay: data.delay(from + i),
      distance: data.distance(from + i),
    }));
    return columnarBodies(rows, BATCH_ROWS)[0]!;
  };
  await define(primary!.url, keyspaceFile({ ack: 'sync(1)', sites: names, partitions: PARTITIONS }), bodyOf(0));
  const reached = new Reached();
  for (let from = 0; from < data.rowCount; from += BATCH_ROWS)
    reached.add(await postColumns(primary!.url, bodyOf(from)));
  await reached.everywhere(sites.map(({ url }) => url));
  return sites;
}

export type SitesOptions = {
  readonly data: Flights;
  readonly url: string;
  readonly runs: number;
  /** Questions of a run with one asker; with more there are as many times more. */
  readonly count: number;
  readonly atOnce: readonly number[];
};

/** Every question, by so many at once; prints each. */
export async function askSites(options: SitesOptions): Promise<Record<string, object>> {
  const { data, url, runs, count, atOnce } = options;
  const figures: Record<string, object> = {};
  for (const { what, of } of QUESTIONS) {
    for (const lanes of atOnce) {
      const open = await Promise.all(Array.from({ length: lanes }, () => HttpLane.open(url)));
      const total = count * Math.min(lanes, 8);
      const host = new URL(url).host;
      const requests = Array.from({ length: total }, (_, n) => {
        const { method, path, body } = of(data, updateOf(n, data.rowCount).row);
        return requestBytes(host, method, path, body);
      });
      const askers = open.map((lane) => (n: number) => lane.ask(requests[n]!));
      const asked = [];
      for (let run = -1; run < runs; run++) {
        const one = await askedBy(askers, total);
        if (run >= 0) asked.push(one);
      }
      for (const lane of open) lane.close();
      const name = `${what}, ${lanes} at a time`;
      figures[name] = shortAsked(name, figuresOf(asked));
    }
  }
  return figures;
}

/** Prints the figures. @returns them for the closing line */
export function shortAsked(name: string, { rate, p50Ms, p99Ms }: AskedFigures): object {
  const whole = (n: number): string => Math.round(n).toLocaleString('en');
  const spread = `(${whole(rate.min)} … ${whole(rate.max)} in ${rate.runs} runs)`;
  print(
    `  ${name.padEnd(56)} ${whole(rate.median).padStart(8)}/s ${spread}  p50 ${p50Ms.toFixed(2)} ms  p99 ${p99Ms.toFixed(2)} ms`,
  );
  return { rate: Math.round(rate.median), p50Ms: Number(p50Ms.toFixed(3)), p99Ms: Number(p99Ms.toFixed(3)) };
}
