/** How large a scan and its conditions may be, and how many of one column become one. */

import { Fault } from '@tidemark/platform/fault';
import type { Filter } from './filter.ts';

/** Conditions may be nested so deep. */
export const DEPTH_MAX = 32;
/** A scan may have so many conditions in all. */
export const CONDITIONS_MAX = 4_096;
/** And so many values in all its lists. */
export const LISTED_MAX = 100_000;

/** What a scan may name of each kind: each of them costs every row something. */
export const NAMED_MAX = { select: 4_096, groupBy: 64, orderBy: 64 } as const;

/** @throws {Fault} `invalid`: names what is too many, and both numbers */
export function checkNamed(query: unknown): void {
  if (typeof query !== 'object' || query === null) return;
  for (const [name, max] of Object.entries(NAMED_MAX)) {
    const list = (query as Readonly<Record<string, unknown>>)[name];
    if (!Array.isArray(list) || list.length <= max) continue;
    const message = `scan ${name}: ${list.length} are named, at most ${max}`;
    throw new Fault('invalid', message, { got: list.length, expected: max });
  }
}

/**
 * Counts before anything else looks at them, and without recursion: what is nested too deep for one must not reach one.
 * @throws {Fault} `invalid`: names what is too many, and both numbers
 */
export function checkConditions(where: unknown): void {
  let [conditions, listed] = [0, 0];
  const left: { readonly json: unknown; readonly depth: number }[] = [{ json: where, depth: -1 }];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const { json, depth } = next;
    if (depth > DEPTH_MAX) throw tooMuch('conditions are nested', `${depth} deep or more`, DEPTH_MAX);
    const parts = partsIn(json, depth);
    if (parts !== null) for (const part of parts) left.push({ json: part, depth: depth + 1 });
    else conditions++;
    if (Array.isArray(json) && Array.isArray(json[2]) && depth >= 0) listed += json[2].length;
    if (conditions + left.length > CONDITIONS_MAX) {
      const hint = 'as many of one column are one condition: ["column", "in", [values]]';
      throw tooMuch('conditions are', `${conditions + left.length}`, CONDITIONS_MAX, hint);
    }
    if (listed > LISTED_MAX) {
      throw tooMuch('values in lists are', `${listed}`, LISTED_MAX, 'ask in several scans');
    }
  }
}

function partsIn(json: unknown, depth: number): readonly unknown[] | null {
  if (depth < 0) return Array.isArray(json) ? json : [];
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return null;
  const { and, or, not } = json as { readonly and?: unknown; readonly or?: unknown; readonly not?: unknown };
  const list = and ?? or;
  return Array.isArray(list) ? list : not === undefined ? null : [not];
}

function tooMuch(what: string, got: string, expected: number, hint?: string): Fault {
  const help = hint === undefined ? '' : `; ${hint}`;
  return new Fault('invalid', `scan where: ${what} ${got}, at most ${expected}${help}`, { got, expected });
}

/**
 * Equal, or equal to one of some: such parts of an `or` about one column are one list, which costs one look however long it
 * is. So are `!=` of an `and`.
 */
export function joinedParts(kind: 'and' | 'or', parts: readonly Filter[]): Filter[] {
  const lists = new Map<number, Extract<Filter, { readonly kind: 'in' }>>();
  const others: Filter[] = [];
  for (const part of parts) {
    const list = listOf(kind, part);
    if (list === null) others.push(part);
    else {
      const before = lists.get(list.column.id)?.values ?? [];
      lists.set(list.column.id, { ...list, values: before.length === 0 ? list.values : appended(before, list.values) });
    }
  }
  const joined = [...lists.values()].map((list): Filter => {
    const { column, values } = list;
    const [value] = values;
    if (values.length === 1) return { kind: 'compare', column, operator: kind === 'or' ? '=' : '!=', value: value! };
    return kind === 'or' ? list : { kind: 'not', part: list };
  });
  return [...joined, ...others];
}

/** Adds to a list that is nobody else's, as the first one to be joined was copied. */
function appended<T>(before: readonly T[], more: readonly T[]): readonly T[] {
  const own = before as T[];
  for (const value of more) own.push(value);
  return own;
}

function listOf(kind: 'and' | 'or', part: Filter): Extract<Filter, { readonly kind: 'in' }> | null {
  if (part.kind === 'compare' && part.operator === (kind === 'or' ? '=' : '!='))
    return { kind: 'in', column: part.column, values: [part.value] };
  if (kind === 'or' && part.kind === 'in') return { ...part, values: [...part.values] };
  return null;
}
