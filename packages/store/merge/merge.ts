/**
 * Merges sources in key order; in each row the newest stamp wins, cell by cell.
 *
 * Laws: sources in any order, or one given twice, end in the same rows (a join: commutative, associative, idempotent).
 * Cost: O(n log k) comparisons of keys, only where sources overlap; a block that overlaps nothing is not read at all.
 * Memory: one block of each source and one of the result.
 */

import { CELL } from '@tidemark/columnar/column-vector';
import { areSameCells, RowCells } from '@tidemark/columnar/row-cells';
import { NO_STAMP, Rows, sameCell, stampClash, type Want } from '../row/rows.ts';
import type { Source } from '../row/source.ts';
import { Cursor, CursorHeap } from './cursor.ts';

/** A piece of the result, in key order: a whole block that stands alone (not read yet), or rows `from … to` of some. */
export type Piece =
  | { readonly kind: 'block'; readonly source: Source; readonly block: number; readonly rowCount: number }
  | { readonly kind: 'rows'; readonly rows: Rows; readonly from: number; readonly to: number };

type MergeOptions = {
  /** Keys and stamps are always read where sources overlap. */
  readonly want: Want;
  /** Rows in a merged piece at most. */
  readonly blockRows: number;
  /** Keys from `from` on, up to but not including `to`. */
  readonly from?: Uint8Array | null;
  readonly to?: Uint8Array | null;
  /** True when no row of the block can be wanted whatever other sources hold: decided by key alone. */
  readonly skip?: (source: Source, block: number) => Promise<boolean>;
};

/** A stretch of one source at least this long is passed on as it is rather than copied. */
const STRETCH_ROWS = 1024;

/**
 * Yields the merged rows in key order: gathered rows, stretches of one source, or whole blocks unread. @throws {Fault}
 * `corrupt`: two different writes have one stamp
 */
export async function* mergeSources(sources: readonly Source[], options: MergeOptions): AsyncGenerator<Piece> {
  const want: Want = { ...options.want, keys: true, stamps: true };
  const heap = new CursorHeap();
  for (const source of sources) {
    const cursor = new Cursor(source, want, options);
    if (await cursor.start()) heap.push(cursor);
  }
  const plan = new MergePlan();
  const flush = (): Piece => {
    const rows = plan.gather(want);
    return { kind: 'rows', rows, from: 0, to: rows.rowCount };
  };
  while (heap.size > 0) {
    const cursor = heap.pop();
    const other = heap.size > 0 ? heap.top : null;
    if (other !== null && cursor.compareKey(other) === 0) {
      // The same row in several sources.
      plan.beginRow();
      for (let same: Cursor | null = cursor; same !== null; ) {
        plan.add(same.rows ?? (await same.load()), same.at);
        const moved = same.moveTo(same.at + 1);
        if (moved === true || (moved !== false && (await moved))) plan.later(same);
        same = heap.size > 0 && plan.hasKeyOf(heap.top) ? heap.pop() : null;
      }
      for (const later of plan.takeLater()) heap.push(later);
    } else if (cursor.standsAlone(other)) {
      if (plan.rowCount > 0) yield flush();
      yield { kind: 'block', source: cursor.source, block: cursor.block, rowCount: cursor.blockRowCount };
      if (await cursor.moveTo(cursor.blockRowCount)) heap.push(cursor);
    } else {
      const rows = cursor.rows ?? (await cursor.load());
      const from = cursor.at;
      const room = options.blockRows - plan.rowCount;
      const end = cursor.stretchEnd(other);
      if (end - from >= STRETCH_ROWS) {
        if (plan.rowCount > 0) yield flush();
        yield { kind: 'rows', rows, from, to: end };
        if (await cursor.moveTo(end)) heap.push(cursor);
      } else {
        const to = Math.min(end, from + room);
        for (let row = from; row < to; row++) {
          plan.beginRow();
          plan.add(rows, row);
        }
        const moved = cursor.moveTo(to);
        if (moved === true || (moved !== false && (await moved))) heap.push(cursor);
      }
    }
    if (plan.rowCount >= options.blockRows) yield flush();
  }
  if (plan.rowCount > 0) yield flush();
}

/** Which rows of which sources make each row of the result; then gathered column by column. */
class MergePlan {
  rowCount = 0;
  readonly #inputs: Rows[] = [];
  /** Per row of the result, where its entries begin. */
  readonly #begins: number[] = [];
  readonly #inputOf: number[] = [];
  readonly #rowOf: number[] = [];
  #later: Cursor[] = [];

  beginRow(): void {
    this.#begins.push(this.#inputOf.length);
    this.rowCount++;
  }

  add(rows: Rows, row: number): void {
    let input = this.#inputs.length - 1;
    while (input >= 0 && this.#inputs[input] !== rows) input--;
    if (input < 0) input = this.#inputs.push(rows) - 1;
    this.#inputOf.push(input);
    this.#rowOf.push(row);
  }

  later(cursor: Cursor): void {
    this.#later.push(cursor);
  }

  takeLater(): Cursor[] {
    const taken = this.#later;
    this.#later = [];
    return taken;
  }

  /** True when the cursor is at the key of the row being planned. */
  hasKeyOf(cursor: Cursor): boolean {
    const last = this.#inputOf.length - 1;
    return cursor.compareRow(this.#inputs[this.#inputOf[last]!]!, this.#rowOf[last]!) === 0;
  }

  /** Carries the plan out and empties it. @throws {Fault} `corrupt`: two different writes with one stamp. */
  gather(want: Want): Rows {
    const out = new Rows(this.rowCount);
    this.#begins.push(this.#inputOf.length);
    out.keys.reserveRows(this.rowCount);
    for (let row = 0; row < this.rowCount; row++) this.#gatherStamps(out, row);
    for (const [id, kind] of want.columns) {
      if (this.#inputs.some((rows) => rows.columns.has(id))) this.#gatherCells(out, id, kind);
    }
    if (want.shared !== undefined && this.#inputs.some(({ shared }) => shared !== null)) this.#gatherShared(out);
    this.#inputs.length = 0;
    this.#begins.length = 0;
    this.#inputOf.length = 0;
    this.#rowOf.length = 0;
    this.rowCount = 0;
    return out;
  }

  #gatherStamps(out: Rows, row: number): void {
    const begin = this.#begins[row]!;
    const end = this.#begins[row + 1]!;
    let tombMs = NO_STAMP;
    let tombLow = 0;
    for (let i = begin; i < end; i++) {
      const input = this.#inputs[this.#inputOf[i]!]!;
      const from = this.#rowOf[i]!;
      const ms = input.putMs[from]!;
      const low = input.putLow[from]!;
      if (isNewer(ms, low, out.putMs[row]!, out.putLow[row]!)) {
        out.putMs[row] = ms;
        out.putLow[row] = low;
      }
      const deletedMs = input.tombMs === null ? NO_STAMP : input.tombMs[from]!;
      const deletedLow = input.tombLow === null ? 0 : input.tombLow[from]!;
      if (!isNewer(deletedMs, deletedLow, tombMs, tombLow)) continue;
      tombMs = deletedMs;
      tombLow = deletedLow;
    }
    out.keys.copyRow(row, this.#inputs[this.#inputOf[begin]!]!.keys, this.#rowOf[begin]!);
    if (tombMs === NO_STAMP) return;
    out.setTomb(row, tombMs, tombLow);
    if (isNewer(out.putMs[row]!, out.putLow[row]!, tombMs, tombLow)) return;
    if (out.putMs[row] === tombMs && out.putLow[row] === tombLow) throw this.#clash(out, row, tombMs, tombLow);
    out.putMs[row] = NO_STAMP;
    out.putLow[row] = 0;
  }

  #gatherCells(out: Rows, id: number, kind: Parameters<Rows['cells']>[1]): void {
    const cells = out.cells(id, kind);
    const inputCells = this.#inputs.map((rows) => rows.columns.get(id));
    for (let row = 0; row < this.rowCount; row++) {
      let best = -1;
      let bestMs = out.tombMs === null ? NO_STAMP : out.tombMs[row]!;
      let bestLow = out.tombLow === null ? 0 : out.tombLow[row]!;
      for (let i = this.#begins[row]!; i < this.#begins[row + 1]!; i++) {
        const input = this.#inputOf[i]!;
        const theirs = inputCells[input];
        const from = this.#rowOf[i]!;
        if (theirs === undefined || theirs.vector.presence[from] === CELL.absent) continue;
        const ms = theirs.ms === null ? this.#inputs[input]!.putMs[from]! : theirs.ms[from]!;
        const low = theirs.low === null ? this.#inputs[input]!.putLow[from]! : theirs.low[from]!;
        if (isNewer(ms, low, bestMs, bestLow)) {
          best = i;
          bestMs = ms;
          bestLow = low;
        } else if (best !== -1 && ms === bestMs && low === bestLow) {
          const held = inputCells[this.#inputOf[best]!]!.vector;
          if (!sameCell(held, this.#rowOf[best]!, theirs.vector, from)) throw this.#clash(out, row, ms, low);
        }
      }
      if (best === -1) continue;
      cells.vector.copyRow(row, inputCells[this.#inputOf[best]!]!.vector, this.#rowOf[best]!);
      out.setCellStamp(cells, row, bestMs, bestLow);
    }
  }

  /** Cells that inputs have row by row: of one column the newest, unless the row's tombstone is as new. */
  #gatherShared(out: Rows): void {
    const into = new RowCells();
    for (let row = 0; row < this.rowCount; row++) {
      const [begin, end] = [this.#begins[row]!, this.#begins[row + 1]!];
      const tombMs = out.tombMs === null ? NO_STAMP : out.tombMs[row]!;
      const tombLow = out.tombLow === null ? 0 : out.tombLow[row]!;
      const shared = end - begin === 1 ? this.#inputs[this.#inputOf[begin]!]!.shared : null;
      if (end - begin > 1) this.#joinShared(into, out, row, tombMs, tombLow);
      else if (shared !== null) copyNewer(into, shared, this.#rowOf[begin]!, tombMs, tombLow);
      into.endRow();
    }
    out.shared = into;
  }

  /** Goes through the cells of one key in several inputs side by side. */
  #joinShared(into: RowCells, out: Rows, row: number, tombMs: number, tombLow: number): void {
    const [begin, end] = [this.#begins[row]!, this.#begins[row + 1]!];
    const inputs: { readonly shared: RowCells; at: number; readonly end: number }[] = [];
    for (let i = begin; i < end; i++) {
      const { shared } = this.#inputs[this.#inputOf[i]!]!;
      const from = this.#rowOf[i]!;
      if (shared !== null) inputs.push({ shared, at: shared.starts[from]!, end: shared.starts[from + 1]! });
    }
    for (;;) {
      let column = Number.POSITIVE_INFINITY;
      for (const { shared, at, end } of inputs) if (at < end) column = Math.min(column, shared.columns[at]!);
      if (column === Number.POSITIVE_INFINITY) return;
      let best: { readonly shared: RowCells; readonly cell: number } | null = null;
      let [bestMs, bestLow] = [tombMs, tombLow];
      for (const input of inputs) {
        const { shared, at: cell } = input;
        if (cell === input.end || shared.columns[cell] !== column) continue;
        input.at++;
        const [ms, low] = [shared.ms[cell]!, shared.low[cell]!];
        if (isNewer(ms, low, bestMs, bestLow)) [best, bestMs, bestLow] = [{ shared, cell }, ms, low];
        else if (
          best !== null &&
          ms === bestMs &&
          low === bestLow &&
          !areSameCells(best.shared, best.cell, shared, cell)
        )
          throw this.#clash(out, row, ms, low);
      }
      if (best !== null) into.copy(best.shared, best.cell);
    }
  }

  #clash(out: Rows, row: number, ms: number, low: number): Error {
    return stampClash(`key ${out.keys.bytesAt(row).toString('hex')}`, ms, low);
  }
}

/** Adds the cells of a row that its tombstone does not hide. */
function copyNewer(into: RowCells, from: RowCells, row: number, tombMs: number, tombLow: number): void {
  const end = from.starts[row + 1]!;
  for (let cell = from.starts[row]!; cell < end; cell++) {
    if (isNewer(from.ms[cell]!, from.low[cell]!, tombMs, tombLow)) into.copy(from, cell);
  }
}

function isNewer(ms: number, low: number, thanMs: number, thanLow: number): boolean {
  return ms > thanMs || (ms === thanMs && low > thanLow);
}

/** The row that several sources' rows of one key make. Each has that one row only. */
export function mergeRow(inputs: readonly Rows[], want: Want): Rows {
  const plan = new MergePlan();
  plan.beginRow();
  for (const input of inputs) plan.add(input, 0);
  return plan.gather(want);
}
