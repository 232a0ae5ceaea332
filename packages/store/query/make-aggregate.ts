/** Which class aggregates what, and the plain ones: counts, and the least and the greatest. */

import type { Value } from '@tidemark/model/column-type';
import type { Output } from '@tidemark/model/query';
import { type Chunk, hasValue, rawOfChunk } from '../encoding/chunk.ts';
import { compareRaw, type RawValue } from '../encoding/zone.ts';
import { Numbers } from '../row/numbers.ts';
import { fromRaw, ownRaw } from '../row/raw-value.ts';
import type { Aggregate, Coded, GroupNumbers, Stretches } from './aggregate.ts';
import { Distinct } from './distinct.ts';
import { HyperLogLog } from './hyper-log-log.ts';
import { BYTES_BYTES } from './scan-budget.ts';
import { Sum } from './sum.ts';

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
