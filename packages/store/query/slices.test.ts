/**
 * However long a scan takes, others have their turn after so much of it: turns of the event loop are counted, no times. Work
 * that is W in steps, with at most S between two turns, leaves at least W / S − 1 turns.
 */

import type { Filter } from '@tidemark/model/filter';
import type { Column } from '@tidemark/model/table';
import { describe, expect, it } from 'vitest';
import type { NumberChunk } from '../encoding/chunk.ts';
import { GROUPED_COST, GroupStretch } from '../row/group-stretch.ts';
import { Turn } from '../row/turn.ts';
import { countTurns } from '../testing/count-turns.ts';
import { costOf, SLICE_COST, selectInTurns } from './filter.ts';
import { makeAggregate } from './make-aggregate.ts';
import { prepareMembers } from './members.ts';
import { SORTED_AT_ONCE } from './turn-sort.ts';

const INT: Column = { id: 3, name: 'v', type: { name: 'int' }, dropped: false };
const ROWS = 65_536;
const rows = Uint32Array.from({ length: ROWS }, (_, i) => i);

function numbers(data: Int32Array): NumberChunk {
  return { form: 'numbers', kind: 'i32', rowCount: data.length, presence: null, data, base: 0, unit: 0 };
}

const column = numbers(Int32Array.from({ length: ROWS }, (_, i) => (i * 7_919) % ROWS));

describe('slices of a filter', () => {
  const equal = (value: number): Filter => ({ kind: 'compare', column: INT, operator: '=', value });
  const or = (parts: readonly Filter[]): Filter => ({ kind: 'or', parts });

  const values = Array.from({ length: 1_000 }, (_, i) => i);

  it.each([
    // What a row costs: so many comparisons, or one look into a set, which costs as much as sixteen.
    ['many comparisons', or(values.slice(0, 40).map(equal)), 40, 40],
    ['a long list', { kind: 'in', column: INT, values } as Filter, 16, 1_000],
  ])('of %s are within their bound', async (_, filter, cost, wanted) => {
    const { result, turns } = await countTurns(() => selectInTurns(filter, costOf(filter), rows, () => column));
    expect(result).toHaveLength(wanted);
    expect(turns).toBeGreaterThanOrEqual(Math.floor((ROWS * cost) / SLICE_COST) - 1);
  });
});

describe('a long list', () => {
  it('is made ready in turns before rows are looked at, each list of the filter', async () => {
    const list = (): Filter => ({ kind: 'in', column: INT, values: Array.from({ length: 20_000 }, (_, i) => i) });
    const few: Filter = { kind: 'in', column: INT, values: [1, 2] };
    const filter: Filter = { kind: 'and', parts: [list(), { kind: 'not', part: list() }, few] };
    const { turns } = await countTurns(() => prepareMembers(filter));
    expect(turns).toBeGreaterThanOrEqual(5);
    expect((await countTurns(() => prepareMembers(few))).turns).toBe(0);
  });
});

describe('slices of groups', () => {
  it.each([0, 0.1, 0.5, 1])('are within their bound where a share of %d of the rows makes one', (share) => {
    for (const groupCost of [0, 256]) {
      const stretch = new GroupStretch(17, groupCost);
      const costs: number[] = [];
      for (let left = 200_000; left > 0; ) {
        const taken = Math.min(left, stretch.rows);
        costs.push(stretch.took(taken, Math.ceil(taken * share)));
        left -= taken;
      }
      // All but the first, by which it was learnt what they cost; and a few rows are taken at once however much they cost.
      expect(Math.max(...costs.slice(1))).toBeLessThanOrEqual(
        Math.max(GROUPED_COST * 1.01, 257 * (17 + 32 + groupCost)),
      );
      if (share === 0) expect(costs.length).toBeLessThan(3 + (200_000 * 17) / GROUPED_COST);
    }
  });
});

describe('slices of a quantile', () => {
  it('are within their bound, and the value is the one that lies there', async () => {
    const quantile = makeAggregate({ kind: 'quantile', name: 'q', type: INT.type, column: INT, at: 0.25 });
    quantile.add(rows, 0, column);
    const { turns } = await countTurns(async () => quantile.settle?.(0, new Turn()));
    expect(quantile.result(0)).toBe(ROWS / 4 - 1);
    expect(turns).toBeGreaterThanOrEqual(ROWS / SORTED_AT_ONCE - 1);
  });

  it('of many groups are within their bound', async () => {
    const [groups, each] = [3_000, 20];
    const quantile = makeAggregate({ kind: 'quantile', name: 'q', type: INT.type, column: INT, at: 0.5 });
    const some = rows.subarray(0, groups * each);
    const ofRows = some.map((row) => row % groups);
    quantile.add(some, ofRows, column);
    const { turns } = await countTurns(async () => {
      const turn = new Turn();
      for (let group = 0; group < groups; group++) await quantile.settle?.(group, turn);
    });
    // To put one value in order costs as much as sixteen rows that are looked at.
    expect(turns).toBeGreaterThanOrEqual(Math.floor((groups * each * 16) / 65_536) - 1);
  });
});
