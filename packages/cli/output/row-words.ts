/** Rows as a person types them: key parts in order, then column=value. */

import { checkColumnName } from '@tidemark/model/keyspace-file';
import { columnNamed, keyColumns, type Table } from '@tidemark/model/table';
import { cellToJson, type JsonCell, parseText } from '@tidemark/model/text/cell-value';
import { Fault } from '@tidemark/platform/fault';
import { unquoted } from './quotes.ts';

/** A row as JSON by column name; null deletes a cell, `$delete: true` the row. */
export type JsonRow = { [column: string]: JsonCell | null | true };

/**
 * The key columns of a row from words.
 * @throws {Fault} `invalid`: too few or too many, or one that is no value of its column, naming both.
 */
export function keyFromWords(table: Table, words: readonly string[]): JsonRow {
  const columns = keyColumns(table);
  if (words.length !== columns.length) {
    const expected = columns.map((column) => column.name).join(' ');
    const message = `table ${table.name}: got ${words.length} key parts, expected ${columns.length}: ${expected}`;
    throw new Fault('invalid', message, { table: table.name, got: words.length, expected: columns.length });
  }
  return Object.fromEntries(
    columns.map((column, i) => [column.name, cellToJson(column.type, parseText(column, words[i]!))]),
  );
}

/**
 * A row to write. The first words are the key, as many as the key has columns; the rest are `column=value`.
 * A column that is not declared is sent as text, for tables that grow by being written.
 * @throws {Fault} `invalid`: naming the word and what is expected.
 */
export function rowFromWords(table: Table, words: readonly string[]): JsonRow {
  const keyLength = table.key.length;
  const row = keyFromWords(table, words.slice(0, keyLength));
  for (const word of words.slice(keyLength)) {
    // A name may have a = of its own when it stands in quotes.
    const [, quoted, plain, text] = /^(?:("(?:[^"]|"")+")|([^=]+))=(.*)$/s.exec(word) ?? [];
    if (text === undefined) {
      throw new Fault('invalid', `got "${word}", expected column=value`, { got: word, expected: 'column=value' });
    }
    const name = quoted === undefined ? plain! : (unquoted(quoted, '"')?.text ?? quoted);
    checkColumnName(table.name, name);
    if (Object.hasOwn(row, name)) {
      const message = `table ${table.name}: column "${name}" comes twice: got "${word}" beside ${JSON.stringify(row[name])}`;
      throw new Fault('invalid', message, { table: table.name, column: name, got: word });
    }
    const column = columnNamed(table, name);
    row[name] = column === undefined ? text : cellToJson(column.type, parseText(column, text));
  }
  return row;
}
