/** Text files as rows: NDJSON as it is, CSV by its header and the table's column types. */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { ColumnType } from '@tidemark/model/column-type';
import { cellToJson, valueFromText } from '@tidemark/model/text/cell-value';
import { Utf8Reader } from '@tidemark/model/text/utf8';
import { Fault, isFault } from '@tidemark/platform/fault';
import { CsvReader } from './csv.ts';
import { checkFileColumns } from './file-columns.ts';
import type { RowSource } from './row-source.ts';

const READ_BYTES = 256 * 1024;
const HASH_DIGITS = 16;
/** A row takes at most 512 KiB; escaped and with its names it stays below this. */
const LINE_CHARACTERS_MAX = 4 * 1024 * 1024;

/** Text in pieces; `-` is standard input. @throws {Fault} `invalid`: no such file, or not UTF-8, by line and byte. */
export async function* textOf(path: string): AsyncGenerator<string> {
  const stream = path === '-' ? process.stdin : createReadStream(path, { highWaterMark: READ_BYTES });
  const reader = new Utf8Reader(path === '-' ? 'standard input' : path);
  try {
    for await (const chunk of stream) yield reader.read(chunk as Buffer);
    yield reader.end();
  } catch (error) {
    throw isFault(error) ? error : unreadable(path, error);
  }
}

/**
 * A file's name and size; `-` is standard input.
 * @param withHash also of what it holds, by which a ledger knows it again: an edited file may have the same size
 */
export async function nameOfFile(path: string, withHash: boolean): Promise<string> {
  if (path === '-') return 'standard input';
  try {
    const { size } = await stat(path);
    if (!withHash) return `${basename(path)} (${size} bytes)`;
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(path, { highWaterMark: READ_BYTES })) hash.update(chunk as Buffer);
    return `${basename(path)} (${size} bytes, sha256 ${hash.digest('hex').slice(0, HASH_DIGITS)})`;
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: string, error: unknown): Fault {
  const { code } = error as NodeJS.ErrnoException;
  const why = code === 'ENOENT' ? 'there is no such file' : code === 'EISDIR' ? 'it is a folder' : String(error);
  return new Fault('invalid', `cannot read ${path}: ${why}`, { got: path, cause: error });
}

/**
 * One JSON object a line, passed on as it is; empty lines are left out and not counted, nor is the `$end` of a scan.
 * @throws {Fault} `invalid`: it is a scan that broke off, by its `$error`
 */
export function ndjsonSource(name: string, text: () => AsyncIterable<string>): RowSource {
  return { name, lines: (skipRows) => skipping(ndjsonLines(text()), skipRows) };
}

async function* ndjsonLines(text: AsyncIterable<string>): AsyncGenerator<string[]> {
  let rest = '';
  for await (const piece of text) {
    const lines = (rest + piece).split('\n');
    rest = lines.pop()!;
    if (rest.length > LINE_CHARACTERS_MAX) {
      throw new Fault('invalid', `a line of over ${LINE_CHARACTERS_MAX} characters is no row`, { got: rest.length });
    }
    yield lines.filter(isRow);
  }
  if (isRow(rest)) yield [rest];
}

function isRow(line: string): boolean {
  if (line.startsWith('{"$error":')) {
    throw new Fault('invalid', `the rows end in an error, ${line.slice(0, 200)}: they are not all`, { got: line });
  }
  return line.trim() !== '' && !line.startsWith('{"$end":');
}

async function* skipping(
  blocks: AsyncIterable<readonly string[]>,
  skipRows: number,
): AsyncGenerator<readonly string[]> {
  let left = skipRows;
  for await (const block of blocks) {
    if (left === 0) yield block;
    else if (left < block.length) yield block.slice(left);
    left = Math.max(0, left - block.length);
  }
}

/**
 * CSV with a header that names the columns. An empty field without quotes is an absent cell. What is no value of its
 * column's type is sent as text, so that the site refuses it by line, column and both values.
 * @param columns the table's columns
 */
export function csvSource(
  name: string,
  text: () => AsyncIterable<string>,
  columns: ReadonlyMap<string, ColumnType>,
): RowSource {
  return { name, lines: (skipRows) => skipping(csvLines(text(), name, columns), skipRows) };
}

async function* csvLines(
  text: AsyncIterable<string>,
  name: string,
  columns: ReadonlyMap<string, ColumnType>,
): AsyncGenerator<string[]> {
  const reader = new CsvReader(name);
  let header: Field[] | null = null;
  for await (const piece of text) {
    const records = reader.read(piece);
    if (header === null && records.length > 0) header = headerOf(records.shift()!, name, columns);
    if (header !== null)
      yield records.map((record, i) => csvLine(record, header!, name, reader.records - records.length + i + 1));
  }
  const last = reader.end();
  if (last === null) return;
  if (header === null) headerOf(last, name, columns);
  else yield [csvLine(last, header, name, reader.records)];
}

/** A column of the file: the start of its JSON, and how its text becomes a value. */
type Field = { readonly prefix: string; readonly type: ColumnType };

function headerOf(names: readonly (string | null)[], file: string, columns: ReadonlyMap<string, ColumnType>): Field[] {
  const known = names.map((name) => name ?? '');
  checkFileColumns(file, known, columns);
  return known.map((name) => ({ prefix: `${JSON.stringify(name)}:`, type: columns.get(name)! }));
}

function csvLine(record: readonly (string | null)[], fields: readonly Field[], file: string, line: number): string {
  if (record.length !== fields.length) {
    const message = `${file}: record ${line} has ${record.length} fields, the header has ${fields.length}`;
    throw new Fault('invalid', message, { got: record.length, expected: fields.length });
  }
  const cells: string[] = [];
  for (let i = 0; i < fields.length; i++) {
    const text = record[i]!;
    if (text !== null) cells.push(fields[i]!.prefix + csvCell(fields[i]!.type, text));
  }
  return `{${cells.join(',')}}`;
}

function csvCell(type: ColumnType, text: string): string {
  if (type.name === 'string') return JSON.stringify(text);
  const value = valueFromText(type, text);
  return JSON.stringify(value === undefined ? text : cellToJson(type, value));
}
