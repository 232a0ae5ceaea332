/** Conditions on rows, checked against the table: what a scan looks for. */

import type { Value } from './column-type.ts';
import type { Column } from './table.ts';

/** The operators that compare a cell with a value. */
export const COMPARISONS = ['=', '!=', '<', '<=', '>', '>='] as const;

/** An operator of a condition in a filter. */
export type Comparison = (typeof COMPARISONS)[number];

/** A condition on a row. A comparison with a cell that has no value is neither true nor false. */
export type Filter =
  | { readonly kind: 'compare'; readonly column: Column; readonly operator: Comparison; readonly value: Value }
  | { readonly kind: 'in'; readonly column: Column; readonly values: readonly Value[] }
  | { readonly kind: 'prefix'; readonly column: Column; readonly prefix: Uint8Array }
  | { readonly kind: 'null'; readonly column: Column; readonly isNull: boolean }
  | { readonly kind: 'and' | 'or'; readonly parts: readonly Filter[] }
  | { readonly kind: 'not'; readonly part: Filter };

/** The columns a filter looks at, by id. */
export function filterColumns(filter: Filter, into = new Map<number, Column>()): Map<number, Column> {
  if ('parts' in filter) for (const part of filter.parts) filterColumns(part, into);
  else if ('part' in filter) filterColumns(filter.part, into);
  else into.set(filter.column.id, filter.column);
  return into;
}
