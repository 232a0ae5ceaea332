/** Aggregates that need the different values of a group: how many there are, and which one lies at a quantile. */

import type { Value } from '@tidemark/model/column-type';
import type { Output } from '@tidemark/model/query';
import { Fault } from '@tidemark/platform/fault';
import { type Chunk, hasValue, rawOfChunk } from '../encoding/chunk.ts';
import { compareRaw, type RawValue } from '../encoding/zone.ts';
import { fromRaw, ownRaw } from '../row/raw-value.ts';
import type { Aggregate, GroupNumbers } from './aggregate.ts';
import { DISTINCT_BYTES } from './scan-budget.ts';

/** Different values that one aggregate of a scan may hold, over all groups; more are refused rather than held in memory. */
const DISTINCT_MAX = 4_000_000;

type DistinctOutput = Extract<Output, { readonly at: number }>;

export class Distinct implements Aggregate {
  readonly #output: DistinctOutput;
  /** By group: a value, as a Map finds it, and how often it came. */
  readonly #counts: (Map<number | bigint | string, number> | undefined)[] = [];
  #held = 0;

  constructor(output: DistinctOutput) {
    this.#output = output;
  }

  get heldBytes(): number {
    return this.#held * DISTINCT_BYTES;
  }

  /** @throws {Fault} `invalid`: more than DISTINCT_MAX different values. */
  add(rows: Uint32Array, groups: GroupNumbers, column: Chunk | undefined): void {
    if (column === undefined) return;
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]!;
      if (!hasValue(column, row)) continue;
      const group = typeof groups === 'number' ? groups : groups[i]!;
      const raw = rawOfChunk(column, row);
      const key = typeof raw === 'object' ? (raw as Buffer).toString('latin1') : ownRaw(this.#output.column.type, raw);
      this.#count(group, key as number | bigint | string);
    }
  }

  result(group: number): Value | null {
    const counts = this.#counts[group];
    if (this.#output.kind === 'countDistinct') return BigInt(counts?.size ?? 0);
    if (counts === undefined) return null;
    const { type } = this.#output.column;
    const ordered = [...counts].map(([key, count]) => ({ raw: rawOfKey(key), count }));
    ordered.sort((a, b) => compareRaw(a.raw, b.raw));
    const total = ordered.reduce((sum, { count }) => sum + count, 0);
    // The smallest value that so large a share of all values does not exceed.
    let left = Math.max(1, Math.ceil(this.#output.at * total));
    for (const { raw, count } of ordered) {
      left -= count;
      if (left <= 0) return fromRaw(type, raw);
    }
    return null;
  }

  #count(group: number, key: number | bigint | string): void {
    let counts = this.#counts[group];
    if (counts === undefined) {
      counts = new Map();
      this.#counts[group] = counts;
    }
    const before = counts.get(key) ?? 0;
    counts.set(key, before + 1);
    if (before > 0 || ++this.#held <= DISTINCT_MAX) return;
    const { name } = this.#output.column;
    const message = `${this.#output.kind}(${name}) holds more than ${DISTINCT_MAX} different values; countDistinctApprox holds none`;
    throw new Fault('invalid', message, { column: name, expected: DISTINCT_MAX });
  }
}

function rawOfKey(key: number | bigint | string): RawValue {
  return typeof key === 'string' ? Buffer.from(key, 'latin1') : key;
}
