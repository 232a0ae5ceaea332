/** Small colliding inputs for the store's properties: few keys, few columns, few stamps. For tests. */

import type { Value } from '@tidemark/model/column-type';
import type { Position } from '@tidemark/model/position';
import type { Stamp } from '@tidemark/model/stamp';
import type { Column, Table } from '@tidemark/model/table';
import { integerBetween, type Random } from '@tidemark/platform/random';
import type { Partition } from '../partition.ts';
import { batchOf, Model, type ModelMutation } from './model.ts';

const column = (id: number, name: string, type: Column['type']['name']): Column =>
  ({
    id,
    name,
    type: type === 'decimal' ? { name: type, precision: 12, scale: 2 } : { name: type },
    dropped: false,
  }) as Column;

const dynamic = (id: number, name: string, type: Column['type']['name']): Column => ({
  ...column(id, name, type),
  dynamic: true,
});

/** A table with a column of every type, and once more of those that few rows have. */
export const TABLE: Table = {
  id: 1,
  name: 'flights',
  key: [1, 2],
  dynamicColumnsMax: 64,
  dynamicColumns: 6,
  columns: [
    column(1, 'origin', 'string'),
    column(2, 'line', 'int'),
    column(3, 'delay', 'int'),
    column(4, 'Ziel/Ort', 'string'),
    column(5, 'distance', 'long'),
    column(6, 'late', 'boolean'),
    column(7, 'share', 'double'),
    column(8, 'photo', 'bytes'),
    column(9, 'seen', 'timestamp'),
    column(10, 'day', 'date'),
    column(11, 'price', 'decimal'),
    dynamic(20, 'tries', 'int'),
    dynamic(21, 'note', 'string'),
    dynamic(23, 'full', 'boolean'),
    dynamic(24, 'load', 'double'),
    dynamic(26, 'closed', 'timestamp'),
    dynamic(28, 'fee', 'decimal'),
  ],
};

/** One record: where it stands in its origin's log, and what it writes. */
export type Write = {
  readonly origin: string;
  readonly at: Position;
  readonly stamp: Stamp;
  readonly mutations: readonly ModelMutation[];
};

/** `count` records of two origins, stamps near one another, so that they overlap and collide in keys and never tie. */
export function randomWrites(random: Random, count: number, rowsMax = 8, keyCount = 12): Write[] {
  const next = new Map<string, number>();
  return Array.from({ length: count }, () => {
    const site = integerBetween(random, 1, 2);
    const origin = site === 1 ? 'paris' : 'tokyo';
    const seq = next.get(origin) ?? 0;
    next.set(origin, seq + 1);
    // The two origins' clocks differ, so a later record often has the smaller stamps.
    const stamp = { ms: 1_700_000_000_000 + seq + site * 3, counter: 0, site, writer: 1 };
    const mutations = Array.from({ length: integerBetween(random, 1, rowsMax) }, () =>
      randomMutation(random, keyCount),
    );
    return { origin, at: { epoch: 1, seq }, stamp, mutations };
  });
}

function randomMutation(random: Random, keyCount: number): ModelMutation {
  const key = [`k\0${integerBetween(random, 1, keyCount)}`, integerBetween(random, -1, 1)];
  if (random.fraction() < 0.15) return { key, cells: 'delete' };
  const cells = new Map<number, Value | null>();
  for (const { id, type, dynamic: isDynamic } of TABLE.columns.slice(TABLE.key.length)) {
    const draw = random.fraction();
    if (draw < (isDynamic === true ? 0.8 : 0.5)) continue;
    cells.set(id, draw < (isDynamic === true ? 0.84 : 0.6) ? null : randomValue(random, type.name));
  }
  return { key, cells };
}

export function randomValue(random: Random, type: Column['type']['name']): Value {
  const pick = <T>(values: readonly T[]): T => values[integerBetween(random, 0, values.length - 1)]!;
  switch (type) {
    case 'boolean':
      return random.fraction() < 0.5;
    case 'date':
      return pick([0, 1, -1, 300, 70_000, 2_932_896, -719_528]);
    case 'int':
      return pick([0, 1, -1, 300, 70_000, 2_147_483_647, -2_147_483_648]);
    case 'decimal':
      return pick([0n, -1n, 5_000_000_000n, 999_999_999_999n, -999_999_999_999n]);
    case 'long':
      return pick([0n, -1n, 5_000_000_000n, (1n << 63n) - 1n, -(1n << 63n)]);
    case 'double':
      return pick([0, -0, 1.5, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 5e-324]);
    case 'timestamp':
      return pick([0, -1, 9_007_199_254_740_991, -9_007_199_254_740_991, 1_700_000_000_000_000]);
    case 'string':
      return pick(['', 'LAX', 'é\0ü', 'x'.repeat(300), `${integerBetween(random, 0, 999)}`]);
    case 'bytes':
      return pick([new Uint8Array(0), new Uint8Array([0, 255]), new Uint8Array(100).fill(7)]);
  }
}

export function applyWrite(partition: Partition, write: Write): boolean {
  return partition.apply(batchOf(TABLE, write.mutations), write.stamp, write.origin, write.at);
}

/** The model of exactly those writes that the positions cover. */
export function modelUpTo(writes: readonly Write[], position: (origin: string) => Position): Model {
  const model = new Model();
  for (const write of writes)
    if (write.at.seq <= position(write.origin).seq) model.apply(TABLE, write.mutations, write.stamp);
  return model;
}
