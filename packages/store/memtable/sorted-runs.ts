/**
 * A memtable's rows in key order while it takes writes: runs of row numbers, made when rows are first asked for in order
 * and brought up to date by each later asking. So who never asks pays nothing, and a range behind every single write costs
 * that one row's place. Runs become one another like the digits of a counter; long ones in turns, beside what is read.
 */

import type { ColumnVector } from '@tidemark/columnar/column-vector';
import { sortKeys } from '../key/sort-keys.ts';
import { compareRanges } from '../row/bytes.ts';
import { nextTurn } from '../row/turn.ts';

/** New rows are put in their places one by one until they are so many; more at once are sorted in turns. */
const LAST_ROWS = 1_024;
/** A run is at least so many times as long as the next: the fewer there are, the fewer places a range begins at. */
const RATIO = 16;
/** Two runs of more rows than this together become one in turns: a ms of work. */
const MERGED_AT_ONCE = 8_192;

/** Row numbers in key order: the first `count` of `rows`. */
export type Run = { readonly rows: Uint32Array; readonly count: number };

/** The runs of one memtable: each row is in one of them. */
export class SortedRuns {
  readonly #keys: ColumnVector;
  /** Before a run is read in turns its memory must stay the memtable's. */
  readonly #lend: () => void;
  /** Longest first, each at least RATIO times as long as the next, but for those that become one just now. */
  readonly #runs: Run[] = [];
  /** Rows 0 … covered − 1 are in the runs. */
  #covered = 0;
  #last = new Uint32Array(LAST_ROWS);
  #lastCount = 0;
  #sorting: Promise<void> | null = null;
  /** Two runs that become one in turns. */
  #merging: readonly Run[] = [];

  /** @param lend called once something reads the keys beyond the call it began in */
  constructor(keys: ColumnVector, lend: () => void) {
    this.#keys = keys;
    this.#lend = lend;
  }

  get memoryBytes(): number {
    return this.#covered * 4;
  }

  /** All rows, 0 … rowCount − 1; null when they are too many to be sorted at once: `sort` first. */
  of(rowCount: number): readonly Run[] | null {
    if (this.#sorting !== null || rowCount - this.#covered > LAST_ROWS) return null;
    while (this.#covered < rowCount) this.#takeOne(this.#covered++);
    return this.#lastCount === 0 ? this.#runs : [...this.#runs, { rows: this.#last, count: this.#lastCount }];
  }

  /** Sorts in turns what there is; after it `of` gives them, unless very many more have come. One call at a time counts. */
  sort(rowCount: number): Promise<void> {
    this.#sorting ??= this.#sort(rowCount).finally(() => {
      this.#sorting = null;
    });
    return this.#sorting;
  }

  async #sort(rowCount: number): Promise<void> {
    this.#lend();
    const from = this.#covered;
    const rows = await sortKeys(this.#keys, rowCount, from);
    this.#covered = rowCount;
    this.#push({ rows, count: rows.length });
  }

  #takeOne(row: number): void {
    if (this.#lastCount === LAST_ROWS) {
      this.#push({ rows: this.#last, count: LAST_ROWS });
      this.#last = new Uint32Array(LAST_ROWS);
      this.#lastCount = 0;
    }
    const last = this.#last;
    const count = this.#lastCount++;
    let low = 0;
    let high = count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#compare(last[middle]!, row) > 0) high = middle;
      else low = middle + 1;
    }
    last.copyWithin(low + 1, low, count);
    last[low] = row;
  }

  /** The last run stays apart: it is short, and takes more. */
  #push(run: Run): void {
    const runs = this.#runs;
    let at = runs.length;
    while (at > 0 && runs[at - 1]!.count < run.count) at--;
    runs.splice(at, 0, run);
    this.#settle();
  }

  #settle(): void {
    const runs = this.#runs;
    for (let i = runs.length - 2; i >= 0; i--) {
      const [a, b] = [runs[i]!, runs[i + 1]!];
      if (a.count >= b.count * RATIO || this.#merging.includes(a) || this.#merging.includes(b)) continue;
      if (a.count + b.count > MERGED_AT_ONCE) {
        if (this.#merging.length === 0) void this.#mergeInTurns(a, b);
        continue;
      }
      const merge = new Merge(a, b, this.#keys);
      merge.step(a.count + b.count);
      runs.splice(i, 2, { rows: merge.rows, count: merge.rows.length });
      // What it has become may be due with the one before, or the one behind.
      i = runs.length - 1;
    }
  }

  async #mergeInTurns(a: Run, b: Run): Promise<void> {
    this.#merging = [a, b];
    this.#lend();
    const merge = new Merge(a, b, this.#keys);
    do await nextTurn();
    while (!merge.step(MERGED_AT_ONCE));
    this.#merging = [];
    const runs = this.#runs;
    runs.splice(runs.indexOf(a), 1);
    runs.splice(runs.indexOf(b), 1);
    this.#push({ rows: merge.rows, count: merge.rows.length });
  }

  #compare(a: number, b: number): number {
    const { arena, starts, lengths } = this.#keys;
    return compareRanges(arena, starts[a]!, lengths[a]!, arena, starts[b]!, lengths[b]!);
  }
}

/** Two runs on their way to become one. */
class Merge {
  readonly rows: Uint32Array;
  readonly #a: Run;
  readonly #b: Run;
  readonly #keys: ColumnVector;
  #atA = 0;
  #atB = 0;

  constructor(a: Run, b: Run, keys: ColumnVector) {
    this.rows = new Uint32Array(a.count + b.count);
    this.#a = a;
    this.#b = b;
    this.#keys = keys;
  }

  /** Puts the next `count` rows in their places. @returns true when all are */
  step(count: number): boolean {
    const { rows } = this;
    const { arena, starts, lengths } = this.#keys;
    const [a, b] = [this.#a, this.#b];
    let [atA, atB] = [this.#atA, this.#atB];
    const end = Math.min(atA + atB + count, rows.length);
    for (let at = atA + atB; at < end; at++) {
      const [one, other] = [a.rows[atA]!, b.rows[atB]!];
      const isA =
        atB === b.count ||
        (atA < a.count &&
          compareRanges(arena, starts[one]!, lengths[one]!, arena, starts[other]!, lengths[other]!) < 0);
      rows[at] = isA ? one : other;
      if (isA) atA++;
      else atB++;
    }
    [this.#atA, this.#atB] = [atA, atB];
    return end === rows.length;
  }
}
