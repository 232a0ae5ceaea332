/** Twenty flights of one airport in this process: ours beside LMDB's cursor, warm, and with a write before each. */

import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { encodeKey, partitionKeyLength, prefixEnd } from '@tidemark/columnar/key';
import type { RangePage, RangeWish } from '@tidemark/store/range/range-wish';
import { percentile } from '../measure.ts';
import { contest, type Row, type Run } from '../store/contest.ts';
import { Flights, TABLE } from '../store/flights.ts';
import { bodiesOf, OurTable } from '../store/our-table.ts';
import { loadLmdb } from '../store/peers.ts';
import { updateOf } from '../store/writes.ts';

const ROWS = 20;
/** Rows in memory when each range comes behind a write. */
const UNFLUSHED = 400_000;
/** Puts of LMDB that are waited for together. */
const PUTS = 50_000;

/** LMDB as far as ranges need it. */
type Lmdb = {
  put(key: Buffer, value: Buffer): Promise<boolean>;
  putSync(key: Buffer, value: Buffer): boolean;
  getRange(options: object): Iterable<{ readonly key: Buffer; readonly value: Buffer }>;
  close(): Promise<void>;
};

export type RangesOptions = {
  readonly folder: string;
  readonly rows: number;
  readonly count: number;
  readonly runs: number;
};

type Bounds = { readonly from: Buffer; readonly to: Buffer; readonly isDown: boolean };
type Sides = { readonly data: Flights; readonly ours: OurTable; readonly lmdb: Lmdb };

/** Fills both, checks that they give the same rows, and times them in turn. */
export async function measureRanges({ folder, rows, count, runs }: RangesOptions): Promise<Row[]> {
  const data = await Flights.load(rows);
  // It is not asked to become a file while ranges come behind writes.
  const ours = await OurTable.open(join(folder, 'ours'), { memtableBytesMax: 128 * 1024 * 1024 });
  await ours.apply(bodiesOf(data, rows, (row) => ({ row, update: null })));
  await ours.partition.flush();
  await ours.partition.compact();
  const lmdb = loadLmdb().open({
    ...{ path: join(folder, 'lmdb'), encoding: 'binary', keyEncoding: 'binary', mapSize: 2 ** 36, noSync: true },
  }) as unknown as Lmdb;
  for (let from = 0; from < rows; from += PUTS) {
    let last: Promise<boolean> | null = null;
    for (let row = from; row < Math.min(from + PUTS, rows); row++) last = lmdb.put(data.keyOf(row), data.packed(row));
    await last;
  }
  const sides = { data, ours, lmdb };
  const measured: Row[] = [];
  for (const isDown of [false, true]) {
    const bounds = Array.from({ length: count }, (_, n) => boundsOf(data, updateOf(n, rows).row, isDown));
    await expectSame(sides, bounds.slice(0, 200));
    const what = isDown ? 'the 20 flights before one, newest first' : 'the 20 flights from one on';
    measured.push(await measureKind(sides, bounds, runs, `${what}, warm`, null));
  }
  await ours.apply(bodiesOf(data, UNFLUSHED, (at) => updateOf(at, rows)));
  let written = 0;
  const write = {
    ours: bodiesOf(data, 2 ** 31, (at) => updateOf(UNFLUSHED + at, rows), 'all', 1),
    lmdb: () => updateOf(written++, rows).row,
  };
  const bounds = Array.from({ length: count }, (_, n) => boundsOf(data, updateOf(n, rows).row, false));
  const rest = `${UNFLUSHED.toLocaleString('en')} rows in memory, a write before each`;
  measured.push(await measureKind(sides, bounds, runs, `the 20 flights from one on, ${rest}`, write));
  await ours.close();
  await lmdb.close();
  return measured;
}

type Writes = { readonly ours: Generator<Parameters<OurTable['applyOne']>[0]>; readonly lmdb: () => number };

function measureKind(
  { data, ours, lmdb }: Sides,
  bounds: readonly Bounds[],
  runs: number,
  measure: string,
  write: Writes | null,
): Promise<Row> {
  const ourRange = (one: Bounds): number | Promise<number> => {
    const page = ours.partition.range(wishOf(one));
    return page instanceof Promise ? page.then(({ rows }) => rows.length) : page.rows.length;
  };
  const lmdbRange = (one: Bounds): number => {
    let rows = 0;
    for (const { key, value } of lmdb.getRange(lmdbWish(one))) if (key.length > 0 && value.length > 0) rows++;
    return rows;
  };
  const ourWrite = write === null ? null : () => ours.applyOne(write.ours.next().value);
  const lmdbWrite =
    write === null
      ? null
      : () => {
          const row = write.lmdb();
          lmdb.putSync(data.keyOf(row), data.packed(row));
        };
  return contest({
    id: 'P15',
    measure,
    unit: 'µs',
    better: 'less',
    runs,
    ours: { name: 'ours', run: () => timed(bounds, ourRange, ourWrite) },
    peers: [{ name: 'LMDB', run: () => timed(bounds, lmdbRange, lmdbWrite), goal: { atLeast: 0.8, aim: 1.2 } }],
  });
}

/** The middle wait of all, in µs; writes before them are not timed. */
async function timed(
  bounds: readonly Bounds[],
  range: (bounds: Bounds) => number | Promise<number>,
  write: (() => void) | null,
): Promise<Run> {
  const micros = new Float64Array(bounds.length);
  let rows = 0;
  for (const [i, one] of bounds.entries()) {
    if (write !== null) {
      // As between two requests: what is done in turns of the event loop goes on.
      await setImmediate();
      write();
    }
    const startMs = performance.now();
    const read = range(one);
    rows += typeof read === 'number' ? read : await read;
    micros[i] = (performance.now() - startMs) * 1_000;
  }
  micros.sort();
  return { value: percentile(micros, 0.5), answer: String(rows) };
}

/** From a flight on, or before it, within its airport. */
function boundsOf(data: Flights, row: number, isDown: boolean): Bounds {
  const key = encodeKey(TABLE, [data.origin(row), data.date(row)]);
  const prefix = key.subarray(0, partitionKeyLength(TABLE, key));
  return isDown ? { from: prefix, to: key, isDown } : { from: key, to: prefixEnd(prefix)!, isDown };
}

function wishOf({ from, to, isDown }: Bounds): RangeWish {
  const bounds = { from, to, direction: isDown ? 'descending' : 'ascending' } as const;
  return { bounds, columns: TABLE.columns, limit: ROWS, bytesMax: 2 * 1024 * 1024, passes: null };
}

/** Going backwards it begins at the end: with the last key that is before it. */
function lmdbWish({ from, to, isDown }: Bounds): object {
  return isDown
    ? { start: to, end: from, exclusiveStart: true, reverse: true, limit: ROWS }
    : { start: from, end: to, limit: ROWS };
}

/** @throws {Error} when both do not have the same keys and cells */
async function expectSame({ ours, lmdb }: Sides, bounds: readonly Bounds[]): Promise<void> {
  for (const one of bounds) {
    const page: RangePage = await ours.partition.range(wishOf(one));
    const mine = page.rows.map(
      (row) => `${encodeKey(TABLE, row.slice(0, 4) as never).toString('hex')} ${row[4]} ${row[5]}`,
    );
    const theirs = [...lmdb.getRange(lmdbWish(one))].map(({ key, value }) => {
      return `${Buffer.from(key).toString('hex')} ${value.readInt32LE(0)} ${value.readInt32LE(4)}`;
    });
    if (mine.join() !== theirs.join())
      throw new Error(`a range differs:\n${mine.join('\n')}\nLMDB:\n${theirs.join('\n')}`);
  }
}
