/**
 * However long a scan takes, others have their turn after so much of it: turns of the event loop are counted, no times. Work
 * that is W in steps, with at most S between two turns, leaves at least W / S − 1 turns.
 */

import type { Filter } from '@tidemark/model/query';
import { planQuery, type Query } from '@tidemark/model/query';
import type { Column, Table } from '@tidemark/model/table';
import { SimDisk } from '@tidemark/platform/sim/sim-disk';
import { describe, expect, it } from 'vitest';
import type { NumberChunk } from '../encoding/chunk.ts';
import { Partition } from '../partition.ts';
import { Turn } from '../row/turn.ts';
import { countTurns } from '../testing/count-turns.ts';
import { batchOf } from '../testing/model.ts';
import { makeAggregate } from './aggregate.ts';
import { costOf, SLICE_COST, selectInTurns } from './filter.ts';
import { Scan } from './scan.ts';
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

  it.each([
    ['many comparisons', or(Array.from({ length: 40 }, (_, i) => equal(i)))],
    ['a long list', { kind: 'in', column: INT, values: Array.from({ length: 1_000 }, (_, i) => i) } as Filter],
  ])('of %s are within their bound', async (_, filter) => {
    const cost = costOf(filter);
    const { result, turns } = await countTurns(() => selectInTurns(filter, cost, rows, () => column));
    const wanted = 'parts' in filter ? 40 : 1_000;
    expect(result).toHaveLength(wanted);
    expect(turns).toBeGreaterThanOrEqual(Math.floor((ROWS * cost) / SLICE_COST) - 1);
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
    const table: Table = {
      ...{ id: 1, name: 't', key: [1] },
      columns: [{ id: 1, name: 'k', type: { name: 'int' }, dropped: false }, INT],
    } as unknown as Table;
    await using partition = await Partition.open(new SimDisk(), 'p', { compaction: false });
    partition.setTable(table);
    const mutations = Array.from({ length: 30_000 }, (_, i) => ({ key: [i], cells: new Map([[3, i % 3_000]]) }));
    const stamp = { ms: 1, counter: 0, site: 1, writer: 1 };
    partition.apply(batchOf(table, mutations), stamp, 'paris', { epoch: 1, seq: 1 });
    await partition.flush();
    const turnsOf = async (query: Query): Promise<number> => {
      const scan = new Scan([partition], planQuery(table, query));
      const { result, turns } = await countTurns(async () => {
        let count = 0;
        for await (const made of scan.rows()) count += made.length;
        return count;
      });
      expect(result).toBe(3_000);
      return turns;
    };
    const of = (count: number) => Array.from({ length: count }, (_, i) => ({ quantile: 'k', at: 0.5, as: `q${i}` }));
    const few = await turnsOf({ select: ['v', ...of(1)], groupBy: ['v'] });
    // Sixteen times as much to find, and to put in order.
    expect(await turnsOf({ select: ['v', ...of(16)], groupBy: ['v'] })).toBeGreaterThan(few * 4);
  });
});
