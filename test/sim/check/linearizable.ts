/**
 * Whether a history of one register can be explained by some order of its operations that respects real time: the
 * search of Wing and Gong with Lowe's memory of states seen. A write of unknown outcome may take effect at any time
 * after it was invoked, or never.
 */

import type { Operation } from './history.ts';

/**
 * @param operations of one key, by `invokedMs`
 * @returns null when it is linearizable; otherwise the operation no order could place, the one that got furthest
 */
export function unexplained(operations: readonly Operation[]): Operation | null {
  const count = operations.length;
  const done = new Uint8Array(count);
  const seen = new Set<string>();
  /** Positions chosen so far, with the register's value before each. */
  const path: { readonly index: number; readonly before: string | null }[] = [];
  let value: string | null = null;
  let from = 0;
  let left = operations.filter((one) => one.returnedMs < Number.POSITIVE_INFINITY).length;
  let best = -1;
  let stuck: Operation | null = null;
  for (;;) {
    if (left === 0) return null;
    const next = candidate(operations, done, value, from);
    if (next >= 0) {
      const one = operations[next]!;
      path.push({ index: next, before: value });
      done[next] = 1;
      if (one.returnedMs < Number.POSITIVE_INFINITY) left--;
      if (one.kind === 'write') value = one.value;
      const state = `${value} ${done.join('')}`;
      if (!seen.has(state)) {
        seen.add(state);
        from = 0;
        continue;
      }
    } else if (path.length > best) {
      best = path.length;
      stuck = operations.find((one, i) => done[i] === 0 && one.returnedMs < Number.POSITIVE_INFINITY) ?? null;
    }
    const last = path.pop();
    if (last === undefined) return stuck;
    done[last.index] = 0;
    value = last.before;
    if (operations[last.index]!.returnedMs < Number.POSITIVE_INFINITY) left++;
    from = last.index + 1;
  }
}

/** The next operation, from `from` on, that may come now: nothing undone returned before it was invoked. */
function candidate(operations: readonly Operation[], done: Uint8Array, value: string | null, from: number): number {
  let firstReturnMs = Number.POSITIVE_INFINITY;
  for (let i = 0; i < operations.length; i++) {
    if (done[i] === 0) firstReturnMs = Math.min(firstReturnMs, operations[i]!.returnedMs);
  }
  for (let i = from; i < operations.length; i++) {
    const one = operations[i]!;
    if (one.invokedMs > firstReturnMs) return -1;
    if (done[i] === 0 && (one.kind === 'write' || one.value === value)) return i;
  }
  return -1;
}
