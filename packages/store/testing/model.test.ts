/**
 * Random operations against a plain Map of rows: writes of two origins, flushes, compactions, schemas that come later,
 * clean and unclean ends. After each, reads of every kind are compared with the same read of the Map.
 *
 * `MODEL_SEQUENCES=10000 npx vitest run packages/store/testing/model.test.ts` runs more; `MODEL_SEED` begins elsewhere.
 */

import { encodeKey, partitionKeyLength, prefixEnd } from '@tidemark/columnar/key';
import { partitionOf } from '@tidemark/model/hash';
import { planQuery, type Query } from '@tidemark/model/query';
import { cellColumns, keyColumns, type Table } from '@tidemark/model/table';
import { integerBetween, type Random, SeededRandom } from '@tidemark/platform/random';
import { SimDisk } from '@tidemark/platform/sim/sim-disk';
import { describe, expect, it } from 'vitest';
import { rangeBehind } from '../key/key-order.ts';
import { Partition } from '../partition.ts';
import { type ResultRow, Scan } from '../query/scan.ts';
import type { RangePage } from '../range/range-wish.ts';
import { randomWrites, TABLE, type Write } from './arbitraries.ts';
import { batchOf, Model, type ModelMutation } from './model.ts';
import { cellText, type PlainRow, plainRows, randomGroupsQuery, randomRowsQuery } from './query-model.ts';
import { readAll } from './read-all.ts';

const SEQUENCES = Number(process.env.MODEL_SEQUENCES ?? 200);
const FIRST_SEED = Number(process.env.MODEL_SEED ?? 1);
/** Where something was once wrong: groups of an int that became a long, over blocks written before and after. */
const ONCE_WRONG = [5002, 5058];
/** Sequences of one test, so that a failure is told soon. */
const SHARE = 50;
const PARTITIONS = 2;
const STEPS_MAX = 16;
/** Scans of rows after each step. */
const QUERIES = 2;
const OPTIONS = { blockRows: 4, compaction: false };

/** The table as later schemas have it: an int that became a long, a column dropped, one that is new. */
const SCHEMAS: readonly Table[] = [
  TABLE,
  {
    ...TABLE,
    columns: TABLE.columns.map((c) =>
      ['delay', 'tries'].includes(c.name) ? { ...c, type: { name: 'long' as const } } : c,
    ),
  },
].flatMap((table) => [
  table,
  { ...table, columns: [...table.columns, { id: 12, name: 'gate', type: { name: 'int' as const }, dropped: false }] },
]);
const DROPPED: Table = {
  ...SCHEMAS.at(-1)!,
  columns: SCHEMAS.at(-1)!.columns.map((c) => (['photo', 'note'].includes(c.name) ? { ...c, dropped: true } : c)),
};
const HISTORY = [SCHEMAS[0]!, SCHEMAS[2]!, SCHEMAS[3]!, DROPPED];

/** A table of two partitions on a disk, the writes it was given, and the Map that says what it holds. */
class Sequence {
  readonly random: Random;
  readonly model = new Model();
  #disk = new SimDisk();
  readonly #waiting: Write[];
  readonly #given: Write[] = [];
  #schema = 0;
  partitions: Partition[] = [];

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
    // Some sequences have few keys, written over and over, others many that hardly meet.
    const keyCount = pick(this.random, [4, 12, 60]);
    this.#waiting = randomWrites(this.random, STEPS_MAX, keyCount, keyCount);
  }

  get table(): Table {
    return HISTORY[this.#schema]!;
  }

  async open(): Promise<void> {
    this.partitions = [];
    for (let number = 0; number < PARTITIONS; number++) {
      const partition = await Partition.open(this.#disk, `travel/flights/${number}`, OPTIONS);
      partition.setTable(this.table);
      this.partitions.push(partition);
    }
  }

  /** @param mayEnd false: nothing that ends the process, as a scan is under way */
  async step(mayEnd = true): Promise<void> {
    const draw = integerBetween(this.random, 0, mayEnd ? 19 : 16);
    if (draw < 10) this.#write();
    else if (draw < 13) for (const partition of this.partitions) await partition.flush();
    else if (draw < 14) await this.partitions[0]!.flush();
    else if (draw < 15) for (const partition of this.partitions) await partition.compact();
    else if (draw < 16) this.#evolve();
    else if (draw < 17) this.#repeat();
    else await this.#reopen(draw < 18);
  }

  /** The rows that there must be. */
  rows(): PlainRow[] {
    return plainRows(this.table, this.model.live(this.table));
  }

  #write(): void {
    const write = this.#waiting.shift();
    if (write === undefined) return;
    this.#given.push(write);
    this.model.apply(this.table, this.#known(write.mutations), write.stamp);
    for (const number of this.partitions.keys()) this.#apply(write, number);
  }

  /** Each partition takes the rows that are its own; stamps stay those of the whole write. */
  #apply(write: Write, number: number): void {
    const partition = this.partitions[number]!;
    const batch = batchOf(this.table, this.#known(write.mutations));
    const kept = batch.rowCount;
    const own = batchOf(
      this.table,
      this.#known(write.mutations).filter(({ key }) => numberOf(this.table, key) === number),
    );
    let at = 0;
    for (let row = 0; row < kept; row++) {
      if (numberOf(this.table, write.mutations[row]!.key) === number) own.stampOffsets[at++] = row;
    }
    partition.apply(own, write.stamp, write.origin, write.at);
  }

  /** What a reader of the log makes of a write: cells of columns that were dropped are left out. */
  #known(mutations: readonly ModelMutation[]): ModelMutation[] {
    const dropped = this.table.columns.filter((column) => column.dropped).map(({ id }) => id);
    return mutations.map(({ key, cells }) => {
      if (cells === 'delete') return { key, cells };
      return { key, cells: new Map([...cells].filter(([id]) => !dropped.includes(id))) };
    });
  }

  #evolve(): void {
    this.#schema = Math.min(this.#schema + 1, HISTORY.length - 1);
    for (const partition of this.partitions) partition.setTable(this.table);
  }

  /** Something that was applied comes once more: by its position it is passed over, as a replay it changes nothing. */
  #repeat(): void {
    if (this.#given.length === 0) return;
    const write = this.#given[integerBetween(this.random, 0, this.#given.length - 1)]!;
    for (const number of this.partitions.keys()) this.#apply(write, number);
  }

  /** Cleanly after a flush; or as after a power loss, and then the log gives once more what was not durable. */
  async #reopen(isClean: boolean): Promise<void> {
    if (isClean) for (const partition of this.partitions) await partition.flush();
    for (const partition of this.partitions) await partition.close();
    if (!isClean) this.#disk = this.#disk.restart(this.random);
    await this.open();
    for (const write of this.#given) for (const number of this.partitions.keys()) this.#apply(write, number);
  }
}

function pick<T>(random: Random, items: readonly T[]): T {
  return items[integerBetween(random, 0, items.length - 1)]!;
}

function numberOf(table: Table, key: ModelMutation['key']): number {
  return placeOf(table, encodeKey(table, key));
}

function placeOf(table: Table, key: Uint8Array): number {
  return partitionOf(key.subarray(0, partitionKeyLength(table, key)), PARTITIONS);
}

/** Rows of a scan, page by page where `pageRows` says so. */
async function scanned(sequence: Sequence, query: Query, pageRows: number | null = null): Promise<ResultRow[]> {
  const found: ResultRow[] = [];
  let cursor: string | null = null;
  do {
    const page: Query = {
      ...query,
      ...(pageRows === null ? {} : { limit: pageRows }),
      ...(cursor === null ? {} : { cursor }),
    };
    const scan = new Scan(sequence.partitions, planQuery(sequence.table, page));
    for await (const block of scan.rows()) found.push(...block);
    cursor = pageRows === null ? null : scan.end!.cursor;
  } while (cursor !== null);
  return found;
}

const shown = (rows: readonly (PlainRow | ResultRow)[]): string[] =>
  rows.map((row) =>
    Object.entries(row)
      .map(([name, cell]) => `${name}=${cellText(cell)}`)
      .join(' '),
  );

async function expectReadsEqual(sequence: Sequence): Promise<void> {
  const { random, table, model } = sequence;
  const rows = sequence.rows();
  for (let i = 0; i < QUERIES; i++) {
    const { query, answer } = randomRowsQuery(random, table);
    expect([query, shown(await scanned(sequence, query))]).toEqual([query, shown(answer(rows))]);
  }
  await expectRangeEqual(sequence, rows);
  const kind = integerBetween(random, 0, 4);
  if (kind === 0) await expectRowsEqual(sequence);
  if (kind === 1 || kind === 2) {
    const { query, answer } = randomGroupsQuery(random, table);
    expect([query, shown(await scanned(sequence, query)).sort()]).toEqual([query, shown(answer(rows)).sort()]);
  }
  if (kind === 3) {
    // In key order over both partitions, either way, in pages: the whole without a gap or a row twice.
    const direction = pick(random, ['asc', 'desc'] as const);
    const orderBy = table.key.map((id): [string, 'asc' | 'desc'] => {
      return [table.columns.find((c) => c.id === id)!.name, direction];
    });
    const paged = await scanned(sequence, { orderBy }, integerBetween(random, 1, 5));
    expect(shown(paged)).toEqual(shown(direction === 'asc' ? rows : rows.toReversed()));
  }
  if (kind === 4) {
    for (const row of model.live(table).slice(0, 4)) {
      expect(await sequence.partitions[placeOf(table, row.key)]!.get(row.key)).toEqual(row);
    }
    const [live, nobody] = [model.live(table), encodeKey(table, ['nobody', 0])];
    for (const [number, partition] of sequence.partitions.entries()) {
      expect(await partition.get(nobody)).toBe(null);
      const own = live.filter(({ key }) => placeOf(table, key) === number);
      // In no order, one twice, one that is not there.
      const asked = [...own.toReversed(), ...own.slice(0, 1)];
      expect(await partition.getMany([...asked.map(({ key }) => key), nobody])).toEqual([...asked, null]);
    }
  }
}

/** A range of one partition key, or of all that a partition has, either way, with bounds or without, in pages of any size. */
async function expectRangeEqual({ random, table, partitions }: Sequence, rows: readonly PlainRow[]): Promise<void> {
  const origin = rows.length > 0 && random.fraction() < 0.9 ? pick(random, rows).origin! : 'k\0nobody';
  const prefix = encodeKey(table, [origin]);
  const number = placeOf(table, prefix);
  const whole = random.fraction() < 0.5 ? { from: prefix, to: prefixEnd(prefix) } : { from: null, to: null };
  const bound = (): Buffer => {
    const parts = [whole.from !== null ? origin : `k\0${integerBetween(random, 0, 12)}`, integerBetween(random, -2, 2)];
    return encodeKey(table, random.fraction() < 0.7 ? parts : parts.slice(0, 1));
  };
  const direction = pick(random, ['ascending', 'descending'] as const);
  const bounds = {
    from: random.fraction() < 0.5 ? whole.from : bound(),
    to: random.fraction() < 0.5 ? whole.to : pick(random, [bound(), prefixEnd(bound())]),
    direction,
  };
  const keyOf = (row: PlainRow): Buffer => encodeKey(table, [row.origin!, row.line!]);
  const wanted = rows.filter((row) => {
    const key = keyOf(row);
    const isBehind = bounds.from === null || Buffer.compare(key, bounds.from) >= 0;
    return placeOf(table, key) === number && isBehind && (bounds.to === null || Buffer.compare(key, bounds.to) < 0);
  });
  const columns = [...keyColumns(table), ...cellColumns(table)].filter(() => random.fraction() < 0.7);
  const asked = direction === 'ascending' ? wanted : wanted.toReversed();
  const expected = shown(asked.map((row) => Object.fromEntries(columns.map(({ name }) => [name, row[name]!]))));
  const named = (page: RangePage): ResultRow[] =>
    page.rows.map((values) => Object.fromEntries(columns.map(({ name }, i) => [name, values[i]!])));
  const bytesMax = random.fraction() < 0.3 ? integerBetween(random, 1, 400) : Number.POSITIVE_INFINITY;
  const wish = { bounds, columns, limit: pick(random, [1, 2, 5, 1_024, 5_000]), bytesMax, passes: null };
  const partition = partitions[number]!;
  const found: ResultRow[] = [];
  for (let after: Uint8Array | null | undefined; after !== null; ) {
    const left = after === undefined ? bounds : { ...rangeBehind(bounds, direction, after), direction };
    const page: RangePage = await partition.range({ ...wish, bounds: left });
    expect(page.rows.length).toBeLessThanOrEqual(wish.limit);
    if (page.after !== null) expect(page.rows.length).toBeGreaterThan(0);
    // Without the last row its bytes are not enough yet.
    expect(textBytes(page.rows.slice(0, -1))).toBeLessThan(bytesMax);
    found.push(...named(page));
    ({ after } = page);
  }
  expect([wish, shown(found)]).toEqual([wish, expected]);
  const all: ResultRow[] = [];
  for await (const page of partition.rangePages({ ...wish, limit: 10_000 })) all.push(...named(page));
  expect([wish, shown(all)]).toEqual([wish, expected]);
}

function textBytes(rows: RangePage['rows']): number {
  const texts = rows.flat().filter((value) => typeof value === 'string' || value instanceof Uint8Array);
  return texts.reduce<number>((sum, text) => sum + (text as string).length, 0);
}

/** Every row with its stamps, and the counts of a digest. */
async function expectRowsEqual({ partitions, model, table }: Sequence): Promise<void> {
  const found = await Promise.all(partitions.map(readAll));
  const live = model.live(table);
  expect(found.flat().sort((a, b) => Buffer.compare(a.key, b.key))).toEqual(live);
  const digests = await Promise.all(partitions.map((partition) => partition.digest()));
  expect(digests.reduce((sum, digest) => sum + digest.rows, 0)).toBe(live.length);
}

/** A scan that began before some steps shows what was there when it began. */
async function expectScanHolds(sequence: Sequence): Promise<void> {
  const before = shown(sequence.rows()).sort();
  const { table } = sequence;
  const scan = new Scan([...sequence.partitions], planQuery(table, {}));
  const blocks = scan.rows();
  const found: ResultRow[] = [];
  const first = await blocks.next();
  if (first.done !== true) found.push(...first.value);
  for (let i = 0; i < 4; i++) await sequence.step(false);
  if (first.done !== true) for await (const block of blocks) found.push(...block);
  expect(shown(found).sort()).toEqual(before);
}

async function runSequence(seed: number): Promise<void> {
  const sequence = new Sequence(seed);
  await sequence.open();
  try {
    for (let step = 0; step < STEPS_MAX; step++) {
      await sequence.step();
      await expectReadsEqual(sequence);
      if (step === STEPS_MAX / 2) await expectScanHolds(sequence);
    }
    await expectRowsEqual(sequence);
  } catch (error) {
    throw new Error(`MODEL_SEED=${seed} MODEL_SEQUENCES=1`, { cause: error });
  } finally {
    for (const partition of sequence.partitions) await partition.close();
  }
}

describe('a table equals a Map of rows', () => {
  it('in sequences that once failed', async () => {
    for (const seed of ONCE_WRONG) await runSequence(seed);
  }, 120_000);

  for (let from = 0; from < SEQUENCES; from += SHARE) {
    const count = Math.min(SHARE, SEQUENCES - from);
    it(`in sequences ${FIRST_SEED + from} to ${FIRST_SEED + from + count - 1}`, async () => {
      for (let i = 0; i < count; i++) await runSequence(FIRST_SEED + from + i);
    }, 120_000);
  }
});
