import { decodeKey, encodeKey } from '@tidemark/columnar/key';
import { NOWHERE } from '@tidemark/model/position';
import { cellColumns, keyColumns, type Table } from '@tidemark/model/table';
import { isFault } from '@tidemark/platform/fault';
import { integerBetween, SeededRandom } from '@tidemark/platform/random';
import { SimDisk } from '@tidemark/platform/sim/sim-disk';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Partition, type StoreOptions } from './partition.ts';
import { applyWrite, modelUpTo, randomWrites, TABLE, type Write } from './testing/arbitraries.ts';
import { batchOf, type Model } from './testing/model.ts';
import { readAll } from './testing/read-all.ts';

const FOLDER = 'travel/flights/0';
const options: StoreOptions = { blockRows: 4, compaction: false };

async function opened(disk = new SimDisk(), more: StoreOptions = {}): Promise<Partition> {
  const partition = await Partition.open(disk, FOLDER, { ...options, ...more });
  partition.setTable(TABLE);
  return partition;
}

const everything = { epoch: 9, seq: Number.MAX_SAFE_INTEGER };
const modelOf = (writes: readonly Write[]): Model => modelUpTo(writes, () => everything);

/** Rows, gets and digest agree with the model. */
async function expectEqual(partition: Partition, model: Model): Promise<void> {
  const live = model.live(TABLE);
  expect(await readAll(partition)).toEqual(live);
  for (const row of live.slice(0, 5)) {
    expect(await partition.get(row.key)).toEqual(row);
    const values = [...keyColumns(TABLE), ...cellColumns(TABLE)];
    const cells = cellColumns(TABLE).map(({ id }) => row.cells.find(({ column }) => column === id)?.value ?? null);
    expect(await partition.values(row.key, values)).toEqual([...decodeKey(TABLE, row.key), ...cells]);
  }
  const asked = [...live.slice(3, 9).reverse(), ...live.slice(0, 5)];
  expect(await partition.getMany([...asked.map((row) => row.key), Buffer.from('none')])).toEqual([...asked, null]);
  const digest = await partition.digest();
  expect(digest.rows).toBe(live.length);
  expect(digest.cells).toBe(live.reduce((sum, row) => sum + row.cells.filter((cell) => cell.value !== null).length, 0));
}

describe('partition', () => {
  it('equals a plain Map of rows, however the writes are flushed, merged, compacted and reopened', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (seed) => {
        const random = new SeededRandom(seed);
        const writes = randomWrites(random, integerBetween(random, 1, 20));
        const disk = new SimDisk();
        let partition = await opened(disk);
        for (const write of writes) {
          applyWrite(partition, write);
          const act = integerBetween(random, 0, 9);
          if (act < 2) await partition.flush();
          if (act === 2) await partition.compact();
          if (act === 3) (await partition.snapshot()).release();
          if (act !== 4) continue;
          await partition.flush();
          await partition.close();
          partition = await opened(disk);
        }
        await expectEqual(partition, modelOf(writes));
      }),
      { numRuns: 100 },
    );
  }, 120_000);

  it('ends in the same digest whatever the order, repetition and split of the writes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (seed) => {
        const random = new SeededRandom(seed);
        const writes = randomWrites(random, integerBetween(random, 1, 10));
        const digests = new Set<string>();
        for (let turn = 0; turn < 3; turn++) {
          const partition = await opened();
          const shuffled = [...writes, ...writes.slice(0, turn)]
            .map((write) => ({ write, order: random.fraction() }))
            .sort((a, b) => a.order - b.order);
          // Each under an origin of its own, so that none is skipped for its position.
          for (const [i, { write }] of shuffled.entries()) {
            partition.apply(batchOf(TABLE, write.mutations), write.stamp, `origin-${i}`, write.at);
            if (random.fraction() < 0.3) await partition.flush();
          }
          digests.add(JSON.stringify(await partition.digest()));
          await partition.flush();
          digests.add(JSON.stringify(await partition.digest()));
          await partition.compact();
          digests.add(JSON.stringify(await partition.digest()));
        }
        expect(digests.size).toBe(1);
      }),
      { numRuns: 40 },
    );
  }, 120_000);

  it('tells different contents apart by their digests', async () => {
    const random = new SeededRandom(7);
    const writes = randomWrites(random, 12);
    const digests = new Set<string>();
    for (let count = 1; count <= writes.length; count++) {
      const partition = await opened();
      for (const write of writes.slice(0, count)) applyWrite(partition, write);
      digests.add((await partition.digest()).hash);
    }
    expect(digests.size).toBe(writes.length);
  });

  it('skips what is at or below its position', async () => {
    const partition = await opened();
    const [write] = randomWrites(new SeededRandom(1), 1);
    expect(partition.position(write!.origin)).toEqual(NOWHERE);
    expect(applyWrite(partition, write!)).toBe(true);
    expect(applyWrite(partition, write!)).toBe(false);
    partition.advance(write!.origin, { epoch: 1, seq: 5 });
    partition.advance(write!.origin, { epoch: 1, seq: 4 });
    expect(partition.position(write!.origin)).toEqual({ epoch: 1, seq: 5 });
    expect(partition.durablePosition(write!.origin)).toEqual(NOWHERE);
    await partition.flush();
    expect(partition.durablePosition(write!.origin)).toEqual({ epoch: 1, seq: 5 });
  });

  it('alarms when two different writes have one stamp, in memory and in segments', async () => {
    const stamp = { ms: 1, counter: 0, site: 1, writer: 1 };
    const write = (delay: number) => batchOf(TABLE, [{ key: ['a', 1], cells: new Map([[3, delay]]) }]);
    const gone = batchOf(TABLE, [{ key: ['a', 1], cells: 'delete' }]);
    for (const [first, second] of [
      [write(1), write(2)],
      [write(1), gone],
      [gone, write(1)],
    ] as const) {
      const partition = await opened();
      partition.apply(first, stamp, 'paris', { epoch: 1, seq: 0 });
      expect(() => partition.apply(second, stamp, 'paris', { epoch: 1, seq: 1 })).toThrow('1.0@1.1');
      const other = await opened();
      other.apply(first, stamp, 'paris', { epoch: 1, seq: 0 });
      await other.flush();
      other.apply(second, stamp, 'paris', { epoch: 1, seq: 1 });
      const error: unknown = await Promise.resolve(other.get(encodeKey(TABLE, ['a', 1]))).catch((e: unknown) => e);
      expect(isFault(error, 'corrupt')).toBe(true);
      expect(isFault(await other.digest().catch((e: unknown) => e), 'corrupt')).toBe(true);
    }
  });

  it('follows a schema that widens, renames, adds and drops columns', async () => {
    const disk = new SimDisk();
    const partition = await opened(disk);
    const put = (table: Table, ms: number, cells: [number, number | bigint | string][]): void => {
      const batch = batchOf(table, [{ key: ['a', ms % 2], cells: new Map(cells) }]);
      partition.apply(batch, { ms, counter: 0, site: 1, writer: 1 }, 'paris', { epoch: 1, seq: ms });
    };
    put(TABLE, 1, [
      [3, 70_000],
      [4, 'gone'],
    ]);
    await partition.flush();
    put(TABLE, 2, [[3, -5]]);
    const columns = TABLE.columns.map((column) => {
      if (column.id === 3) return { ...column, name: 'delayMs', type: { name: 'long' } as const };
      return column.id === 4 ? { ...column, dropped: true } : column;
    });
    const added = { id: 12, name: 'gate', type: { name: 'int' }, dropped: false } as const;
    const table: Table = { ...TABLE, columns: [...columns, added] };
    partition.setTable(table);
    put(table, 3, [[12, 4]]);
    put(table, 4, [[3, 5_000_000_000n]]);
    const expected = [
      [[3, 5_000_000_000n]],
      [
        [3, 70_000n],
        [12, 4],
      ],
    ];
    const shown = async (p: Partition) => (await readAll(p)).map((row) => row.cells.map((c) => [c.column, c.value]));
    expect(await shown(partition)).toEqual(expected);
    await partition.flush();
    await partition.close();
    const again = await Partition.open(disk, FOLDER, options);
    expect(again.table).toEqual(table);
    expect(await shown(again)).toEqual(expected);
  });

  it('shows a snapshot as it was, whatever is applied, flushed and compacted after it', async () => {
    const random = new SeededRandom(5);
    const writes = randomWrites(random, 40);
    const partition = await opened();
    const held = [];
    for (const [i, write] of writes.entries()) {
      applyWrite(partition, write);
      if (i % 3 === 0) await partition.flush();
      if (i % 5 === 0) held.push({ snapshot: await partition.snapshot(), writes: writes.slice(0, i + 1) });
      if (i % 7 === 0) await partition.compact();
    }
    for (const { snapshot, writes: upTo } of held) {
      const frozen = Object.create(partition, { snapshot: { value: async () => snapshot } }) as Partition;
      expect(await readAll(frozen)).toEqual(modelOf(upTo).live(TABLE));
    }
    await partition.flush();
    expect((await partition.digest()).rows).toBe(modelOf(writes).live(TABLE).length);
  });

  it('takes writes while it flushes, and leaves them to the next flush', async () => {
    const random = new SeededRandom(11);
    const writes = randomWrites(random, 30);
    const disk = new SimDisk();
    const partition = await opened(disk);
    for (const write of writes.slice(0, 15)) applyWrite(partition, write);
    const flushing = partition.flush();
    for (const write of writes.slice(15)) {
      applyWrite(partition, write);
      await Promise.resolve();
    }
    await flushing;
    await expectEqual(partition, modelOf(writes));
    const reopened = await Partition.open(disk.restart(), FOLDER, options);
    await expectEqual(
      reopened,
      modelUpTo(writes, (origin) => reopened.position(origin)),
    );
    const last = (upTo: readonly Write[]): number => upTo.findLast((w) => w.origin === 'paris')!.at.seq;
    expect(reopened.position('paris').seq).toBeGreaterThanOrEqual(last(writes.slice(0, 15)));
    expect(reopened.position('paris').seq).toBeLessThan(last(writes));
  });

  it('keeps few segments however often it is flushed', async () => {
    const partition = await opened(new SimDisk(), { compaction: true });
    const writes = randomWrites(new SeededRandom(3), 100);
    for (const write of writes) {
      applyWrite(partition, write);
      await partition.flush();
    }
    await partition.compact();
    expect(partition.segmentCount).toBeLessThanOrEqual(3);
    await expectEqual(partition, modelOf(writes));
  });
});
