/** Aggregates: count, sum, min, max, avg of the rows of each group. Cells without a value count for nothing. */

import type { Value } from '@tidemark/model/column-type';
import type { Output } from '@tidemark/model/query';
import { type Chunk, hasValue, rawOfChunk } from '../encoding/chunk.ts';
import { compareRaw, type RawValue } from '../encoding/zone.ts';
import { Numbers } from '../row/numbers.ts';
import { fromRaw, ownRaw } from '../row/raw-value.ts';
import type { Turn } from '../row/turn.ts';
import { Distinct } from './distinct.ts';
import { HyperLogLog } from './hyper-log-log.ts';
import { BYTES_BYTES } from './scan-budget.ts';
import { Sum } from './sum.ts';

/** The groups of some rows: per row a number, or one for all. */
export type GroupNumbers = Uint32Array | number;

/** Chosen rows of a block, in stretches of neighbours that are of one group; rows between may be not chosen. */
export type Stretches = {
  /** Row numbers: from each start up to, not including, its end. */
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
  readonly groups: Uint32Array;
  /** Rows chosen in each, at least one. */
  readonly counts: Uint32Array;
};

/** Chosen rows of a block that has a code for each, and a group for each code. */
export type Coded = {
  readonly codes: Uint8Array | Uint16Array;
  /** Per code. A code of which no row is chosen may have any group. */
  readonly groups: Uint32Array;
  /** Rows chosen per code. */
  readonly counts: Uint32Array;
};

/** One aggregate of a scan, for all of its groups by their numbers. */
export interface Aggregate {
  /** Takes rows, and their groups. No column: none of them has a cell. */
  add(rows: Uint32Array, groups: GroupNumbers, column: Chunk | undefined): void;
  /** What a row costs, where that is more than a few comparisons. */
  readonly rowCost?: number;
  /** Bytes it holds beside a little for each group, estimated. */
  readonly heldBytes?: number;
  /** True when it can add such a column's rows by stretches and by codes. */
  takesStretches?(column: Chunk | undefined): boolean;
  /** Takes the rows that the mask kernels have chosen. */
  addStretches?(stretches: Stretches, column: Chunk | undefined): void;
  addCoded?(coded: Coded, column: Chunk | undefined): void;
  /** Where a result takes work: brings it about, with turns for others. To be called once all rows are taken, before `result`. */
  settle?(group: number, turn: Turn): Promise<void> | void;
  /** The result for a group; null when it had no value (0 for a count). */
  result(group: number): Value | null;
}

/** A fresh aggregate for an output that is one. */
export function makeAggregate(output: Exclude<Output, { readonly kind: 'column' }>): Aggregate {
  switch (output.kind) {
    case 'count':
      return new Count(output.column === null);
    case 'sum':
    case 'avg':
      return new Sum(output);
    case 'countDistinct':
    case 'quantile':
    case 'countDistinctApprox':
      return output.kind === 'countDistinctApprox' ? new HyperLogLog() : new Distinct(output);
    default:
      return new Extreme(output);
  }
}

class Count implements Aggregate {
  readonly #counts = new Numbers();
  readonly #all: boolean;

  /** `all`: rows, whatever their cells. */
  constructor(all: boolean) {
    this.#all = all;
  }

  add(rows: Uint32Array, groups: GroupNumbers, column: Chunk | undefined): void {
    if (!this.#all && column === undefined) return;
    const isEach = this.#all || column?.presence === null;
    if (typeof groups === 'number') {
      this.#counts.reserve(groups);
      this.#counts.values[groups]! += isEach ? rows.length : rows.filter((row) => hasValue(column!, row)).length;
      return;
    }
    for (let i = 0; i < rows.length; i++) {
      if (!isEach && !hasValue(column!, rows[i]!)) continue;
      this.#counts.reserve(groups[i]!);
      this.#counts.values[groups[i]!]!++;
    }
  }

  takesStretches(column: Chunk | undefined): boolean {
    return this.#all || column === undefined || column.presence === null;
  }

  addStretches({ groups, counts }: Stretches, column: Chunk | undefined): void {
    if (!this.#all && column === undefined) return;
    for (let i = 0; i < groups.length; i++) {
      this.#counts.reserve(groups[i]!);
      this.#counts.values[groups[i]!]! += counts[i]!;
    }
  }

  addCoded({ groups, counts }: Coded, column: Chunk | undefined): void {
    if (!this.#all && column === undefined) return;
    for (let code = 0; code < counts.length; code++) {
      if (counts[code] === 0) continue;
      this.#counts.reserve(groups[code]!);
      this.#counts.values[groups[code]!]! += counts[code]!;
    }
  }

  result(group: number): Value {
    return BigInt(this.#counts.at(group));
  }
}

class Extreme implements Aggregate {
  readonly #output: Output;
  readonly #sign: number;
  readonly #best: (RawValue | undefined)[] = [];
  /** Of the values that are bytes. */
  heldBytes = 0;

  constructor(output: Output) {
    this.#output = output;
    this.#sign = output.kind === 'min' ? 1 : -1;
  }

  add(rows: Uint32Array, groups: GroupNumbers, column: Chunk | undefined): void {
    if (column === undefined) return;
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]!;
      if (!hasValue(column, row)) continue;
      const raw = rawOfChunk(column, row);
      const group = typeof groups === 'number' ? groups : groups[i]!;
      const best = this.#best[group];
      if (best !== undefined && compareRaw(raw, best) * this.#sign >= 0) continue;
      // Bytes lie in an arena that goes with its block.
      this.#best[group] = typeof raw === 'object' ? new Uint8Array(raw) : raw;
      this.heldBytes += bytesHeld(raw) - bytesHeld(best);
    }
  }

  result(group: number): Value | null {
    const best = this.#best[group];
    const { column } = this.#output;
    if (best === undefined || column === null) return null;
    return fromRaw(column.type, ownRaw(column.type, best));
  }
}

/** What a value takes beside its place: nothing, unless it is bytes. */
function bytesHeld(raw: RawValue | undefined): number {
  return typeof raw === 'object' ? BYTES_BYTES + raw.length : 0;
}
