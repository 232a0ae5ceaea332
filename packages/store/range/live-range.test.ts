/** Ranges while the partition changes under them: each is of one moment between its asking and its answer. */

import { setImmediate } from 'node:timers/promises';
import { encodeKey, prefixEnd } from '@tidemark/columnar/key';
import { cellColumns, keyColumns } from '@tidemark/model/table';
import { integerBetween, SeededRandom } from '@tidemark/platform/random';
import { SimDisk } from '@tidemark/platform/sim/sim-disk';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Partition } from '../partition.ts';
import { BlockCache } from '../segment/block-cache.ts';
import { applyWrite, randomWrites, TABLE } from '../testing/arbitraries.ts';
import { batchOf, Model, type ModelMutation } from '../testing/model.ts';
import { cellText, plainRows } from '../testing/query-model.ts';
import type { RangeWish, RowValues } from './range-wish.ts';

const COLUMNS = [...keyColumns(TABLE), ...cellColumns(TABLE)];

function wishOf(direction: 'ascending' | 'descending', limit: number): RangeWish {
  return {
    bounds: { from: null, to: null, direction },
    columns: COLUMNS,
    limit,
    bytesMax: Number.POSITIVE_INFINITY,
    passes: null,
  };
}

const shown = (rows: readonly RowValues[]): string => rows.map((row) => row.map(cellText).join(' ')).join('\n');

describe('a range', () => {
  it('is of one moment, whatever is written, flushed and merged before it is answered', async () => {
    let between = 0;
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (seed) => {
        const random = new SeededRandom(seed);
        // Little is held, so that most ranges read blocks, of segments that may be merged away meanwhile.
        const cache = new BlockCache(integerBetween(random, 0, 1) * 20_000);
        const partition = await Partition.open(new SimDisk(), 'p', { blockRows: 4, compaction: false, cache });
        partition.setTable(TABLE);
        const model = new Model();
        /** What there is after so many writes. */
        const moments = [''];
        const running: Promise<unknown>[] = [];
        for (const write of randomWrites(random, integerBetween(random, 10, 40), 8, 15)) {
          applyWrite(partition, write);
          model.apply(TABLE, write.mutations, write.stamp);
          const live = plainRows(TABLE, model.live(TABLE));
          moments.push(shown(live.map((row) => COLUMNS.map(({ name }) => row[name]!))));
          const begun = moments.length - 1;
          const isOneOf = (rows: readonly RowValues[]): void => {
            const found = moments.slice(begun).indexOf(shown(rows));
            expect([seed, begun, shown(rows), found >= 0]).toEqual([seed, begun, shown(rows), true]);
            if (moments.length - 1 > begun) between++;
          };
          const act = integerBetween(random, 0, 9);
          if (act < 3) running.push(partition.flush());
          if (act === 3) running.push(partition.compact());
          if (act === 4)
            running.push(
              Promise.resolve(partition.range(wishOf('ascending', 1_000))).then(({ rows }) => isOneOf(rows)),
            );
          if (act === 5) {
            const backwards = Promise.resolve(partition.range(wishOf('descending', 1_000)));
            running.push(backwards.then(({ rows }) => isOneOf(rows.toReversed())));
          }
          if (act === 6)
            running.push(
              Promise.resolve(partition.range(wishOf('ascending', 5_000))).then(({ rows }) => isOneOf(rows)),
            );
          if (act === 7) await Promise.all(running.splice(0));
          if (act > 7) for (let turn = integerBetween(random, 0, 5); turn > 0; turn--) await null;
        }
        await Promise.all(running);
        await partition.flush();
        expect(shown((await partition.range(wishOf('ascending', 1_000))).rows)).toBe(moments.at(-1));
        await partition.close();
      }),
      { numRuns: 150 },
    );
    expect(between).toBeGreaterThan(50);
  }, 120_000);

  it('of many rows goes on in the moment it began in, though all that it reads is merged away', async () => {
    const partition = await Partition.open(new SimDisk(), 'p', {
      blockRows: 256,
      compaction: false,
      cache: new BlockCache(0),
    });
    partition.setTable(TABLE);
    const count = 3_000;
    let seq = 0;
    const write = (delay: number, step: number): void => {
      const mutations: ModelMutation[] = [];
      for (let line = 0; line < count; line += step) mutations.push({ key: ['k', line], cells: new Map([[3, delay]]) });
      const stamp = { ms: 1_700_000_000_000 + seq, counter: 0, site: 1, writer: 1 };
      partition.apply(batchOf(TABLE, mutations), stamp, 'paris', { epoch: 1, seq: seq++ });
    };
    write(1, 1);
    await partition.flush();
    write(2, 3);
    await partition.flush();
    write(3, 5);
    const pages = partition.rangePages({
      ...wishOf('ascending', Number.POSITIVE_INFINITY),
      columns: TABLE.columns.slice(1, 3),
    });
    const rows = [...(await pages.next()).value!.rows];
    for (let delay = 10; delay < 14; delay++) {
      write(delay, 1);
      await partition.flush();
      await partition.compact();
    }
    for await (const page of pages) rows.push(...page.rows);
    const expected = Array.from({ length: count }, (_, line) => [line, line % 5 === 0 ? 3 : line % 3 === 0 ? 2 : 1]);
    expect(rows).toEqual(expected);
    await partition.close();
  });

  it('reads what it began to read of segments that are merged away meanwhile, and answers of what there is then', async () => {
    const disk = new SlowDisk();
    const partition = await Partition.open(disk, 'p', { blockRows: 256, compaction: false, cache: new BlockCache(0) });
    partition.setTable(TABLE);
    const write = (seq: number): void => {
      const mutations = Array.from({ length: 100 }, (_, line): ModelMutation => {
        return { key: ['k', line], cells: new Map([[3, seq]]) };
      });
      const stamp = { ms: 1_700_000_000_000 + seq, counter: 0, site: 1, writer: 1 };
      partition.apply(batchOf(TABLE, mutations), stamp, 'paris', { epoch: 1, seq });
    };
    write(0);
    await partition.flush();
    const wish = { ...wishOf('ascending', 1_000), columns: TABLE.columns.slice(2, 3) };
    // Files are open then: a flush waits for one that is being opened.
    await partition.range(wish);
    const release = disk.holdReads();
    const range = partition.range(wish);
    await setImmediate();
    disk.readOn();
    for (let seq = 1; seq < 5; seq++) {
      write(seq);
      await partition.flush();
      await partition.compact();
    }
    release();
    expect((await range).rows).toEqual(Array.from({ length: 100 }, () => [4]));
    await partition.close();
  });

  it('of few rows reads as few blocks of a key that has thousands as of one that has ten, at either end', async () => {
    const disk = new SimDisk();
    const partition = await Partition.open(disk, 'p', { blockRows: 64, compaction: false, cache: new BlockCache(0) });
    partition.setTable(TABLE);
    const keyed = (origin: string, count: number): ModelMutation[] =>
      Array.from({ length: count }, (_, line) => ({ key: [origin, line], cells: new Map([[3, line]]) }));
    const mutations = [...keyed('few', 10), ...keyed('many', 5_000), ...keyed('none', 10)];
    partition.apply(batchOf(TABLE, mutations), { ms: 1, counter: 0, site: 1, writer: 1 }, 'paris', {
      epoch: 1,
      seq: 0,
    });
    await partition.flush();
    let reads = 0;
    disk.hook = ({ kind }) => {
      if (kind === 'read') reads++;
      return 'ok';
    };
    const readsOf = async (origin: string, direction: 'ascending' | 'descending'): Promise<number> => {
      const prefix = encodeKey(TABLE, [origin]);
      const bounds = { from: prefix, to: prefixEnd(prefix), direction };
      const wish = { ...wishOf(direction, 5), bounds, columns: TABLE.columns.slice(0, 3) };
      // The files are open after the first.
      for (let i = 0; i < 2; i++) {
        reads = 0;
        const { rows } = await partition.range(wish);
        expect(rows.map(([, line]) => line)).toEqual(
          keyed(origin, origin === 'many' ? 5_000 : 10)
            .map(({ key }) => key[1])
            .slice(...(direction === 'ascending' ? [0, 5] : [-5]))
            .sort((a, b) => (direction === 'ascending' ? 1 : -1) * ((a as number) - (b as number))),
        );
      }
      return reads;
    };
    for (const direction of ['ascending', 'descending'] as const) {
      for (const origin of ['few', 'many']) {
        // A block, or two where rows lie over an edge, of three columns.
        expect([direction, origin, (await readsOf(origin, direction)) <= 6]).toEqual([direction, origin, true]);
      }
    }
    await partition.close();
  });
});

/** Reads that are asked for while it holds them back wait until they are let go. */
class SlowDisk extends SimDisk {
  #held: Promise<void> | null = null;

  holdReads(): () => void {
    let release = (): void => {};
    this.#held = new Promise((resolve) => {
      release = resolve;
    });
    return release;
  }

  /** Those that are asked for from now on do not wait. */
  readOn(): void {
    this.#held = null;
  }

  override async readAt(path: string, offset: number, length: number): Promise<Uint8Array> {
    await this.#held;
    return super.readAt(path, offset, length);
  }
}
