/**
 * Counts and adds a block's rows without making a list of them: a mask says which are chosen (`mask-kernels.ts`), and
 * stretches of neighbours that are of one group are added up at once, and rows in no such order by the codes of their
 * groups. Where the filter, the groups or an aggregate ask for
 * more than that, the block's rows are listed and taken one by one (`scan-block.ts`), in the same groups and sums.
 */

import { CELL } from '@tidemark/columnar/column-vector';
import type { Filter } from '@tidemark/model/filter';
import type { Output } from '@tidemark/model/query';
import { type Chunk, narrowOf } from '../encoding/chunk.ts';
import { intervalOf } from '../encoding/interval.ts';
import { rawOf } from '../row/raw-value.ts';
import type { DeletionVector } from '../segment/deletion-vector.ts';
import type { Aggregate } from './aggregate.ts';
import type { ColumnOf } from './filter.ts';
import type { Groups } from './groups.ts';
import { maskKernels } from './mask-kernels.ts';

/** A block of a segment. */
export type WholeBlock = {
  readonly rowCount: number;
  readonly column: ColumnOf;
  /** Null: all rows are live; else its row 0 is the segment's row `first`. */
  readonly live: DeletionVector | null;
  readonly first: number;
  /** Per row 1 where it has a put; null when all have. */
  readonly puts: Uint8Array | null;
};

/** The masked way of one scan; `choose` says block by block whether it can be gone. */
export class MaskedGroups {
  readonly #filter: Filter;
  readonly #groups: Groups;
  readonly #outputs: readonly Output[];
  readonly #aggregates: readonly (Aggregate | null)[];

  /** `aggregates` are those of the outputs, null where an output is a column. */
  constructor(filter: Filter, groups: Groups, outputs: readonly Output[], aggregates: readonly (Aggregate | null)[]) {
    this.#filter = filter;
    this.#groups = groups;
    this.#outputs = outputs;
    this.#aggregates = aggregates;
  }

  /** Chooses the rows that the scan selects. @returns how many; null when that needs a list */
  choose(block: WholeBlock): number | null {
    if (!isMaskable(this.#filter, block.column)) return null;
    const { rowCount, live, first, puts } = block;
    maskKernels.begin(rowCount);
    if (live !== null) {
      if ((first & 7) === 0) maskKernels.bits(live.bits.subarray(first >> 3));
      else keepOnes(live.flags(first, first + rowCount));
    }
    if (puts !== null) keepOnes(puts);
    keep(this.#filter, block.column);
    return maskKernels.count(0, rowCount);
  }

  /** Adds what is chosen; nothing may have been waited for since. @returns false when that needs a list; nothing is added then */
  add({ rowCount, column }: WholeBlock): boolean {
    const columnOf = (i: number): Chunk | undefined => {
      const of = this.#outputs[i]!.column;
      return of === null ? undefined : column(of.id);
    };
    for (const [i, aggregate] of this.#aggregates.entries()) {
      if (aggregate !== null && aggregate.takesStretches?.(columnOf(i)) !== true) return false;
    }
    const stretches = this.#groups.stretches(rowCount, column, (from, to) => maskKernels.count(from, to));
    if (stretches !== null) {
      for (const [i, aggregate] of this.#aggregates.entries()) aggregate?.addStretches?.(stretches, columnOf(i));
      return true;
    }
    const coded = this.#groups.coded(column, (codes, counts) => maskKernels.countByCode(codes, counts));
    if (coded === null) return false;
    for (const [i, aggregate] of this.#aggregates.entries()) aggregate?.addCoded?.(coded, columnOf(i));
    return true;
  }
}

/** True for comparisons of such numbers, all of which have to hold. */
function isMaskable(filter: Filter, columnOf: ColumnOf): boolean {
  if (filter.kind === 'and') return filter.parts.every((part) => isMaskable(part, columnOf));
  if (filter.kind !== 'compare' || filter.operator === '!=') return false;
  return narrowOf(columnOf(filter.column.id)) !== null;
}

function keep(filter: Filter, columnOf: ColumnOf): void {
  if (filter.kind === 'and') for (const part of filter.parts) keep(part, columnOf);
  if (filter.kind !== 'compare') return;
  const chunk = narrowOf(columnOf(filter.column.id))!;
  const { low, high } = intervalOf(filter.operator, rawOf(filter.column.type, filter.value) as number | bigint, chunk);
  if (chunk.presence !== null) keepOnes(chunk.presence);
  maskKernels.load(chunk.data);
  maskKernels.within(low, high);
}

/** Rows with a 1; that a cell holds a value is one too. */
function keepOnes(flags: Uint8Array): void {
  maskKernels.load(flags);
  maskKernels.within(CELL.value, CELL.value);
}
