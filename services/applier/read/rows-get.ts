/** Many rows by their whole keys, in one request: a line for each key, in the order of the keys. */

import { checkKeyLength, encodeKey } from '@tidemark/columnar/key';
import type { Value } from '@tidemark/model/column-type';
import { nearestHint } from '@tidemark/model/nearest';
import { own } from '@tidemark/model/own';
import { type Column, keyColumns, type Table } from '@tidemark/model/table';
import { parseJsonValue, shown } from '@tidemark/model/text/cell-value';
import type { RowText } from '@tidemark/model/text/json-text';
import { Fault } from '@tidemark/platform/fault';
import { nextTurn } from '@tidemark/store/row/turn';
import type { TableStore } from '../keyspace/stores.ts';
import { selected } from './range.ts';
import { partitionFor } from './rows.ts';
import { linesTold, NDJSON_TYPE, type StreamedAnswer, type StreamParts, streamOf } from './streamed.ts';

/** Keys in one request at most. */
const KEYS_MAX = 100_000;
/** An answer of so many keys at most is held whole, if it is not longer than this. */
const SHORT_KEYS = 100;
const SHORT_CHARACTERS = 2 * 1024 * 1024;
/** Keys that are looked for before their rows are sent. */
const SLICE_KEYS = 256;
/** Of them, those that wait for the disk at once: each may need a block of every column. */
const AT_ONCE = 8;

/** Keys that are asked for, and what of their rows. */
export type KeysWish = {
  readonly keys: readonly Uint8Array[];
  readonly columns: readonly Column[];
  readonly text: RowText;
};

/**
 * `{"keys":[{"origin":"SAN",…},…],"select":[…]}`: each key an object of all key columns.
 * @throws {Fault} `invalid`: not of that form, too many keys, a key that lacks a part or has a value that is none; names
 *   which key, and both values
 */
export function parseKeys({ table }: TableStore, body: unknown): KeysWish {
  const names = typeof body === 'object' && body !== null ? Object.keys(body) : [];
  const unknown = names.find((name) => name !== 'keys' && name !== 'select');
  const { keys, select } = (body ?? {}) as { readonly keys?: unknown; readonly select?: unknown };
  if (unknown !== undefined || !Array.isArray(keys)) {
    const got = unknown === undefined ? shown(body) : `"${unknown}"${nearestHint(unknown, ['keys', 'select'])}`;
    throw wrong(table, got, '{"keys":[…]}, and "select" beside it');
  }
  if (keys.length > KEYS_MAX) throw wrong(table, `${keys.length} keys`, `at most ${KEYS_MAX} in one request`);
  if (
    select !== undefined &&
    !(Array.isArray(select) && select.length > 0 && select.every((s) => typeof s === 'string'))
  ) {
    throw wrong(table, `select ${shown(select)}`, 'a list of column names');
  }
  const columns = keyColumns(table);
  return { keys: keys.map((key, i) => keyOf(table, columns, key, i)), ...selected(table, select) };
}

function keyOf(table: Table, columns: readonly Column[], json: unknown, place: number): Uint8Array {
  const where = `key ${place}`;
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw wrong(table, `${where}: ${shown(json)}`, 'an object of the key columns');
  }
  const given = json as Readonly<Record<string, unknown>>;
  const expected = columns.map(({ name }) => name).join(', ');
  for (const name of Object.keys(given)) {
    if (!columns.some((column) => column.name === name)) throw wrong(table, `${where}: "${name}"`, expected);
  }
  const parts = columns.map((column): Value => {
    const value = own(given, column.name);
    if (value === undefined) throw wrong(table, `${where}: ${shown(json)} without "${column.name}"`, expected);
    return parseJsonValue(column, value);
  });
  const key = encodeKey(table, parts);
  checkKeyLength(table, key.length);
  return key;
}

function wrong(table: Table, got: string, expected: string): Fault {
  return new Fault('invalid', `table ${table.name}: got ${got}, expected ${expected}`, {
    table: table.name,
    got,
    expected,
  });
}

/**
 * The whole answer, as `rowLines` streams it, when it is short; null when it is not: others wait for it then.
 * @throws {Fault} `corrupt`: stored bytes are wrong
 */
export async function shortRowLines(store: TableStore, wish: KeysWish, asOf: string | null): Promise<string | null> {
  if (wish.keys.length > SHORT_KEYS) return null;
  let text = '';
  for await (const lines of linesOf(store, wish, asOf)) {
    text += lines;
    if (text.length > SHORT_CHARACTERS) return null;
  }
  return text;
}

/**
 * The rows as NDJSON, `null` where there is none, then `{"$end":{"rows":…,"found":…,"asOf":…}}`: lines, and those that are rows. Each is as it is when it is read.
 * @throws {Fault} `corrupt`: stored bytes are wrong
 */
export async function rowLines(
  store: TableStore,
  wish: KeysWish,
  asOf: string | null,
  parts: StreamParts,
): Promise<StreamedAnswer> {
  const lines = linesOf(store, wish, asOf);
  const first = await lines.next();
  const rest = linesTold(parts, 'rows by key', async function* () {
    if (first.done !== true) yield first.value;
    yield* lines;
  });
  return streamOf(NDJSON_TYPE, rest, parts);
}

async function* linesOf(
  store: TableStore,
  { keys, columns, text }: KeysWish,
  asOf: string | null,
): AsyncGenerator<string> {
  let found = 0;
  for (let from = 0; from < keys.length; from += SLICE_KEYS) {
    // Many may be asked for at once, and each slice is read in one go.
    await nextTurn();
    const rows = await valuesOf(store, keys.slice(from, from + SLICE_KEYS), columns);
    let lines = '';
    for (const row of rows) {
      lines += row === null ? 'null\n' : `${text.of(row)}\n`;
      if (row !== null) found++;
    }
    yield lines;
  }
  yield `${JSON.stringify({ $end: { rows: keys.length, found, asOf } })}\n`;
}

/** In key order, so that those who wait for one block wait together. */
async function valuesOf(
  store: TableStore,
  keys: readonly Uint8Array[],
  columns: readonly Column[],
): Promise<((Value | null)[] | null)[]> {
  const rows = new Array<(Value | null)[] | null>(keys.length).fill(null);
  const order = keys.map((_, i) => i).sort((a, b) => Buffer.compare(keys[a]!, keys[b]!));
  let waiting: Promise<void>[] = [];
  for (const i of order) {
    const values = partitionFor(store, keys[i]!).values(keys[i]!, columns);
    if (!(values instanceof Promise)) {
      rows[i] = values;
      continue;
    }
    waiting.push(
      values.then((row) => {
        rows[i] = row;
      }),
    );
    if (waiting.length < AT_ONCE) continue;
    await Promise.all(waiting);
    waiting = [];
  }
  await Promise.all(waiting);
  return rows;
}
