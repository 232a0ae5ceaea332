/**
 * The file's order for rows of one key, though several batches are on their way at once: a batch waits for those before
 * it that hold one of its keys. Where each key comes once in a while, as in most files, none waits.
 */

import type { ColumnType } from '@tidemark/model/column-type';
import { own } from '@tidemark/model/own';
import { cellToText, valueFromJson } from '@tidemark/model/text/cell-value';
import type { SourceBatch } from './row-source.ts';

/** The key's columns in order. */
export type KeyShape = readonly { readonly name: string; readonly type: ColumnType }[];

/** A batch that must not be sent before `before` resolves. */
export type OrderedBatch = SourceBatch & {
  /** Resolves once every batch before it that holds one of its keys is settled. */
  readonly before: Promise<unknown>;
  /** To be called when it is answered or given up. */
  readonly settled: () => void;
};

type Unsettled = { readonly keys: ReadonlySet<number>; readonly done: Promise<void> };

/** @param key null when the order does not matter */
export async function* inKeyOrder(
  batches: AsyncGenerator<SourceBatch>,
  key: KeyShape | null,
): AsyncGenerator<OrderedBatch> {
  const reader = key === null ? null : new KeyReader(key);
  const unsettled = new Set<Unsettled>();
  for await (const batch of batches) {
    const keys = new Set<number>();
    if (reader !== null) for (const line of batch.lines) keys.add(reader.keyOf(line));
    const before = [...unsettled].filter((other) => haveCommon(keys, other.keys)).map(({ done }) => done);
    const { promise: done, resolve } = Promise.withResolvers<void>();
    const mine: Unsettled = { keys, done };
    unsettled.add(mine);
    const settled = (): void => {
      unsettled.delete(mine);
      resolve();
    };
    yield { ...batch, before: Promise.all(before), settled };
  }
}

function haveCommon(some: ReadonlySet<number>, others: ReadonlySet<number>): boolean {
  for (const one of some) if (others.has(one)) return true;
  return false;
}

/**
 * Tells lines of one key from those of others, by as little reading as that takes: a key is a number of 30 bits here. Two
 * keys that share one cost a wait, and no more.
 */
export class KeyReader {
  readonly #parts: readonly { readonly name: string; readonly type: ColumnType; readonly marker: string }[];

  constructor(key: KeyShape) {
    this.#parts = key.map(({ name, type }) => ({ name, type, marker: `${JSON.stringify(name)}:` }));
  }

  /** The same for lines of the same key, however it is spelt. */
  keyOf(line: string): number {
    // Without a backslash no quote is a part of a text, and a name with its colon is a name.
    const hash = line.includes('\\') ? NONE : this.#fromText(line);
    return (hash === NONE ? this.#fromJson(line) : hash) >>> 2;
  }

  #fromText(line: string): number {
    let hash = HASH_START;
    for (const { type, marker } of this.#parts) {
      const found = line.lastIndexOf(marker);
      if (found < 0) return NONE;
      const at = found + marker.length;
      const isText = line.charCodeAt(at) === QUOTE;
      const from = isText ? at + 1 : at;
      const to = isText ? line.indexOf('"', from) : wordEnd(line, from);
      if (!isPlain(type, line, from, to, isText)) return NONE;
      hash = hashed(hash, line, from, to);
    }
    return hash;
  }

  #fromJson(line: string): number {
    let hash = HASH_START;
    try {
      const row = JSON.parse(line) as Readonly<Record<string, unknown>> | null;
      for (const { name, type } of this.#parts) {
        const value = valueFromJson(type, typeof row === 'object' ? own(row, name) : undefined);
        const text = value === undefined ? '' : cellToText(type, value);
        hash = hashed(hash, text, 0, text.length);
      }
    } catch {
      // No row, which is for the site to say.
    }
    return hash;
  }
}

const QUOTE = 34;
const COMMA = 44;
const BRACE = 125;
const NONE = -1;
/** FNV-1a. */
const HASH_START = 0x811c9dc5;
const HASH_PRIME = 0x01000193;

function hashed(start: number, text: string, from: number, to: number): number {
  let hash = start;
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ text.charCodeAt(i), HASH_PRIME);
  // The end of a part counts too, so that "ab", "c" is not "a", "bc".
  return Math.imul(hash ^ 0xffff, HASH_PRIME) >>> 0;
}

function wordEnd(line: string, from: number): number {
  let to = from;
  for (; to < line.length; to++) {
    const code = line.charCodeAt(to);
    if (code === COMMA || code === BRACE) break;
  }
  return to;
}

/** True for the spelling that `cellToText` gives: only other ones have to be read. */
function isPlain(type: ColumnType, line: string, from: number, to: number, isText: boolean): boolean {
  switch (type.name) {
    case 'string':
    case 'date':
      return isText;
    case 'timestamp':
      return isText && to - from === 20 && line[from + 10] === 'T' && line[to - 1] === 'Z';
    case 'int':
    case 'long':
      return isPlainWhole(line, from, to);
    default:
      return false;
  }
}

/** Digits without a zero in front; nothing else, but a minus before others than 0. */
function isPlainWhole(line: string, from: number, to: number): boolean {
  const isNegative = line[from] === '-';
  const start = isNegative ? from + 1 : from;
  if (start >= to || (line[start] === '0' && (isNegative || to - start > 1))) return false;
  for (let i = start; i < to; i++) {
    const code = line.charCodeAt(i);
    if (code < 48 || code > 57) return false;
  }
  return true;
}
