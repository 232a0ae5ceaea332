import { ColumnVector } from '@tidemark/columnar/column-vector';
import { integerBetween, SeededRandom } from '@tidemark/platform/random';
import { describe, expect, it } from 'vitest';
import { type Run, SortedRuns } from './sorted-runs.ts';

/** Keys of which many share their first bytes, in no order. */
class Keys {
  readonly vector = new ColumnVector('bytes');
  readonly texts: string[] = [];
  readonly #random = new SeededRandom(11);

  add(count: number): void {
    for (let i = 0; i < count; i++) {
      const text = `${'SAN'.repeat(integerBetween(this.#random, 0, 3))}${this.#random.fraction()}`;
      this.vector.setBytes(this.texts.length, Buffer.from(text));
      this.texts.push(text);
    }
  }
}

/** Every row once, each run ascending. */
function expectSorted(runs: readonly Run[], { texts }: Keys): void {
  const rows = runs.flatMap(({ rows, count }) => [...rows.subarray(0, count)]);
  expect(rows.toSorted((a, b) => a - b)).toEqual(texts.map((_, row) => row));
  for (const { rows, count } of runs) {
    const own = [...rows.subarray(0, count)].map((row) => texts[row]!);
    expect(own).toEqual(own.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
  }
}

describe('a memtable in key order', () => {
  it('has every row once, however few or many come between two askings', async () => {
    const keys = new Keys();
    const runs = new SortedRuns(keys.vector, () => {});
    for (const count of [1, 1, 200, 0, 64, 1_000, 1, 5_000, 3, 900, 30_000, 700, 1_000, 1_000, 129]) {
      keys.add(count);
      const now = runs.of(keys.texts.length);
      if (now === null) await runs.sort(keys.texts.length);
      expectSorted(runs.of(keys.texts.length)!, keys);
    }
  });

  it('keeps few runs, and those that become one in turns are there until they have', async () => {
    const keys = new Keys();
    let isLent = false;
    const runs = new SortedRuns(keys.vector, () => {
      isLent = true;
    });
    keys.add(12_000);
    await runs.sort(keys.texts.length);
    expect(isLent).toBe(true);
    for (let i = 0; i < 30; i++) {
      keys.add(1_000);
      expectSorted(runs.of(keys.texts.length)!, keys);
      if (i % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    for (let i = 0; i < 100; i++) await new Promise((resolve) => setImmediate(resolve));
    const settled = runs.of(keys.texts.length)!;
    expectSorted(settled, keys);
    expect(settled.length).toBeLessThanOrEqual(5);
  });

  it('is asked to sort once by all who wait, and takes what comes meanwhile later', async () => {
    const keys = new Keys();
    const runs = new SortedRuns(keys.vector, () => {});
    keys.add(3_000);
    const sorting = runs.sort(3_000);
    keys.add(10);
    expect(runs.of(3_010)).toBe(null);
    expect(runs.sort(3_010)).toBe(sorting);
    await sorting;
    expectSorted(runs.of(3_010)!, keys);
  });
});
