/** Cells and rows straight as JSON text: what `JSON.stringify` makes of `cellToJson`, without the objects in between. */

import type { ColumnType, Value } from '../column-type.ts';
import { cellToJson } from './cell-value.ts';
import { formatDate, formatTimestamp } from './time.ts';

/** Longer texts are looked through faster by the machine. */
const SHORT = 64;

/** A text as JSON has it. */
export function quoted(text: string): string {
  if (text.length > SHORT) return JSON.stringify(text);
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    // Control characters, the quote, the backslash, halves of pairs.
    if (unit < 0x20 || unit === 0x22 || unit === 0x5c || unit >= 0xd800) return JSON.stringify(text);
  }
  return `"${text}"`;
}

/** A cell as JSON. */
export function cellJsonText(type: ColumnType, value: Value): string {
  switch (type.name) {
    case 'int':
    case 'boolean':
      return `${value as number | boolean}`;
    case 'string':
      return quoted(value as string);
    case 'timestamp':
      return `"${formatTimestamp(value as number)}"`;
    case 'date':
      return `"${formatDate(value as number)}"`;
    default:
      return JSON.stringify(cellToJson(type, value));
  }
}

/** Makes rows of some columns objects, by name. */
export class RowText {
  readonly #columns: readonly { readonly name: string; readonly type: ColumnType }[];
  readonly #names: readonly string[];
  readonly #hasNulls: boolean;

  /** @param hasNulls whether a cell without a value is shown as null; else it is left out */
  constructor(columns: readonly { readonly name: string; readonly type: ColumnType }[], hasNulls: boolean) {
    this.#columns = columns;
    this.#names = columns.map(({ name }) => `${JSON.stringify(name)}:`);
    this.#hasNulls = hasNulls;
  }

  /** `values` in the order of the columns; null where there is none. */
  of(values: readonly (Value | null)[]): string {
    let text = '{';
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      if (value === null && !this.#hasNulls) continue;
      if (text.length > 1) text += ',';
      text += this.#names[i]! + (value === null ? 'null' : cellJsonText(this.#columns[i]!.type, value));
    }
    return `${text}}`;
  }
}
