/** A filter asked of rows one by one, by their values. Unknown, as of a cell without a value, does not pass. */

import type { Value } from '@tidemark/model/column-type';
import type { Filter } from '@tidemark/model/filter';
import type { Column } from '@tidemark/model/table';
import { compareValues } from '../query/order.ts';
import type { RowValues } from './range-wish.ts';

/** True, false, or null where it cannot be told. */
type Asked = (row: RowValues) => boolean | null;

/** Whether a row passes; `columns` are those of its values, the filter's among them. */
export function rowFilter(filter: Filter, columns: readonly Column[]): (row: RowValues) => boolean {
  const asked = asking(filter, columns);
  return (row) => asked(row) === true;
}

function asking(filter: Filter, columns: readonly Column[]): Asked {
  if ('part' in filter) {
    const part = asking(filter.part, columns);
    return (row) => {
      const holds = part(row);
      return holds === null ? null : !holds;
    };
  }
  if ('parts' in filter) {
    const parts = filter.parts.map((part) => asking(part, columns));
    return decidedBy(filter.kind === 'or', parts);
  }
  const place = columns.findIndex(({ id }) => id === filter.column.id);
  if (filter.kind === 'null') return (row) => (row[place] === null) === filter.isNull;
  const holds = valueTest(filter);
  return (row) => {
    const value = row[place]!;
    return value === null ? null : holds(value);
  };
}

/** One part that says `decisive` settles it; else one that is unknown does. */
function decidedBy(decisive: boolean, parts: readonly Asked[]): Asked {
  return (row) => {
    let isKnown = true;
    for (const part of parts) {
      const holds = part(row);
      if (holds === decisive) return decisive;
      isKnown &&= holds !== null;
    }
    return isKnown ? !decisive : null;
  };
}

function valueTest(filter: Extract<Filter, { kind: 'compare' | 'in' | 'prefix' }>): (value: Value) => boolean {
  if (filter.kind === 'prefix') {
    const { prefix } = filter;
    return (value) => {
      const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : (value as Uint8Array);
      return Buffer.compare(bytes.subarray(0, prefix.length), prefix) === 0;
    };
  }
  if (filter.kind === 'in') {
    const values = new Set(filter.values.map(named));
    return (value) => values.has(named(value));
  }
  const { operator, value: other } = filter;
  switch (operator) {
    case '=':
      return (value) => compareValues(value, other) === 0;
    case '!=':
      return (value) => compareValues(value, other) !== 0;
    case '<':
      return (value) => compareValues(value, other) < 0;
    case '<=':
      return (value) => compareValues(value, other) <= 0;
    case '>':
      return (value) => compareValues(value, other) > 0;
    case '>=':
      return (value) => compareValues(value, other) >= 0;
  }
}

/** What is the same for equal values of one type: a set takes NaN for itself, and −0 for 0. */
function named(value: Value): string | number | bigint | boolean {
  return typeof value === 'object'
    ? Buffer.from(value.buffer, value.byteOffset, value.length).toString('latin1')
    : value;
}
