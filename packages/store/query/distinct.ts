/** Aggregates that need the different values of a group: how many there are, and which one lies at a quantile. */

import type { Value } from '@tidemark/model/column-type';
import type { Output } from '@tidemark/model/query';
import { Fault } from '@tidemark/platform/fault';
import { type Chunk, hasValue, rawOfChunk } from '../encoding/chunk.ts';
import { compareRaw, type RawValue } from '../encoding/zone.ts';
import { fromRaw, ownRaw } from '../row/raw-value.ts';
import type { Turn } from '../row/turn.ts';
import type { Aggregate, GroupNumbers } from './aggregate.ts';
import { DISTINCT_BYTES } from './scan-budget.ts';
import { SORTED_AT_ONCE, sortedInTurns } from './turn-sort.ts';

/** Different values that one aggregate of a scan may hold, over all groups; more are refused rather than held in memory. */
const DISTINCT_MAX = 4_000_000;

/** So many values are gone over between two turns, what one costs, and what it costs to put a few in order, each. */
const KEYS_AT_ONCE = 4_096;
const KEY_COST = 8;
const SORT_COST = 16;

/** A value as a Map finds it. */
type Key = number | bigint | string;
type DistinctOutput = Extract<Output, { readonly at: number }>;

/** Keeps each group's different values with how often each came; bounded by `DISTINCT_MAX`. */
export class Distinct implements Aggregate {
  readonly rowCost = 16;
  readonly #output: DistinctOutput;
  /** By group: a value, and how often it came; those that are settled are gone. */
  readonly #counts: (Map<Key, number> | undefined)[] = [];
  /** By group, once it was settled. */
  readonly #found: (Value | undefined)[] = [];
  #held = 0;
  #textBytes = 0;

  constructor(output: DistinctOutput) {
    this.#output = output;
  }

  get heldBytes(): number {
    return this.#held * DISTINCT_BYTES + this.#textBytes;
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
      this.#count(group, key as Key);
    }
  }

  /** A quantile is found in the order of its group's values; these are let go of. */
  async settle(group: number, turn: Turn): Promise<void> {
    const counts = this.#counts[group];
    if (this.#output.kind !== 'quantile' || counts === undefined) return;
    const keys: Key[] = [];
    let total = 0;
    for (const [key, count] of counts) {
      keys.push(key);
      total += count;
      if (keys.length % KEYS_AT_ONCE === 0) await turn.pass(KEYS_AT_ONCE * KEY_COST);
    }
    const sorted = await sortedInTurns(keys, compareKeys);
    await turn.pass(Math.min(sorted.length, SORTED_AT_ONCE) * SORT_COST);
    // The smallest value that so large a share of all values does not exceed.
    let left = Math.max(1, Math.ceil(this.#output.at * total));
    let place = 0;
    for (; place < sorted.length - 1; place++) {
      left -= counts.get(sorted[place]!)!;
      if (left <= 0) break;
      if (place % KEYS_AT_ONCE === KEYS_AT_ONCE - 1) await turn.pass(KEYS_AT_ONCE * KEY_COST);
    }
    this.#found[group] = fromRaw(this.#output.column.type, rawOfKey(sorted[place]!));
    this.#counts[group] = undefined;
  }

  result(group: number): Value | null {
    if (this.#output.kind === 'countDistinct') return BigInt(this.#counts[group]?.size ?? 0);
    return this.#found[group] ?? null;
  }

  #count(group: number, key: Key): void {
    let counts = this.#counts[group];
    if (counts === undefined) {
      counts = new Map();
      this.#counts[group] = counts;
    }
    const before = counts.get(key) ?? 0;
    counts.set(key, before + 1);
    if (before > 0) return;
    if (typeof key === 'string') this.#textBytes += key.length;
    if (++this.#held <= DISTINCT_MAX) return;
    const { name } = this.#output.column;
    const message = `${this.#output.kind}(${name}) holds more than ${DISTINCT_MAX} different values; countDistinctApprox holds none`;
    throw new Fault('invalid', message, { column: name, expected: DISTINCT_MAX });
  }
}

/** Texts are of bytes, so their order is that of the bytes. */
function compareKeys(a: Key, b: Key): number {
  if (typeof a === 'string') return a < (b as string) ? -1 : Number(a > (b as string));
  return compareRaw(a, b as RawValue);
}

function rawOfKey(key: Key): RawValue {
  return typeof key === 'string' ? Buffer.from(key, 'latin1') : key;
}
