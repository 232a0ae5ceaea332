/** The values of an `in`, made ready to be looked up: once for a scan, not once for each of its blocks. */

import { type ColumnType, physicalOf } from '@tidemark/model/column-type';
import type { Filter } from '@tidemark/model/filter';
import { compareRaw, type RawValue } from '../encoding/zone.ts';
import { rawOf } from '../row/raw-value.ts';
import { nextTurn } from '../row/turn.ts';

type InFilter = Extract<Filter, { readonly kind: 'in' }>;

/** So many are compared with a block's bounds one by one; of more only the smallest and the largest are. */
const COMPARED_MAX = 1_000;

/** The values in the forms that columns are compared in, each made when first asked for. */
export class Members {
  readonly #raws: readonly RawValue[];
  #numbers: ReadonlySet<number> | null = null;
  #longs: ReadonlySet<RawValue> | null = null;
  #texts: ReadonlySet<string> | null = null;
  #bounds: readonly RawValue[] | null = null;

  constructor({ column, values }: InFilter) {
    this.#raws = values.map((value) => rawOf(column.type, value));
  }

  get numbers(): ReadonlySet<number> {
    this.#numbers ??= new Set(this.#raws.map(Number));
    return this.#numbers;
  }

  get longs(): ReadonlySet<RawValue> {
    this.#longs ??= new Set(this.#raws);
    return this.#longs;
  }

  /** Bytes as latin1. */
  get texts(): ReadonlySet<string> {
    this.#texts ??= new Set(this.#raws.map((raw) => Buffer.from(raw as Uint8Array).toString('latin1')));
    return this.#texts;
  }

  /** The form that blocks of such a column are most likely compared in. */
  prepare(type: ColumnType): void {
    const physical = physicalOf(type);
    if (physical === 'bytes') void this.texts;
    else if (physical === 'i64') void this.longs;
    else void this.numbers;
  }

  /** The smallest and the largest. */
  prepareBounds(): readonly RawValue[] {
    this.#bounds ??= [
      this.#raws.reduce((a, b) => (compareRaw(b, a) < 0 ? b : a)),
      this.#raws.reduce((a, b) => (compareRaw(b, a) > 0 ? b : a)),
    ];
    return this.#bounds;
  }

  /** False only when none of them lies between the bounds; `max` null: no upper bound is known. */
  mayBeWithin(min: RawValue, max: RawValue | null): boolean {
    if (this.#raws.length <= COMPARED_MAX)
      return this.#raws.some((raw) => compareRaw(raw, min) >= 0 && (max === null || compareRaw(raw, max) <= 0));
    const [least, most] = this.prepareBounds() as [RawValue, RawValue];
    return compareRaw(most, min) >= 0 && (max === null || compareRaw(least, max) <= 0);
  }
}

/** As many take a millisecond or two in each of their forms. */
const LONG_LIST = 10_000;

/** Has the long lists of a filter made ready before rows are looked at, with turns for others between one form and the next. */
export async function prepareMembers(filter: Filter): Promise<void> {
  if ('parts' in filter) for (const part of filter.parts) await prepareMembers(part);
  if ('part' in filter) await prepareMembers(filter.part);
  if (filter.kind !== 'in' || filter.values.length < LONG_LIST) return;
  await nextTurn();
  const members = membersOf(filter);
  await nextTurn();
  members.prepare(filter.column.type);
  await nextTurn();
  members.prepareBounds();
}

const known = new WeakMap<InFilter, Members>();

/** The prepared values of a filter; the same object for the same filter. */
export function membersOf(filter: InFilter): Members {
  let members = known.get(filter);
  if (members === undefined) {
    members = new Members(filter);
    known.set(filter, members);
  }
  return members;
}
