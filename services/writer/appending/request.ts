/**
 * What an idempotency key stands for (protocol rule 19): one verb, one table, one content. Pure. A key that comes again
 * for anything else is refused: to answer it as done, when it was not, would lose what was asked for.
 */

import { createHash } from 'node:crypto';
import type { Keyspace } from '@tidemark/model/table';
import { Fault } from '@tidemark/platform/fault';
import type { MutateBody, RequestBody } from '@tidemark/record/envelope';
import type { Asked, Slice } from '../ingress/slice.ts';

const HASH_BYTES = 16;
/** So much of it is shown to people. */
const SHOWN_DIGITS = 12;

/** What was asked for under a key, and of which table; the hash as hex. */
export type Request = Omit<RequestBody, 'hash'> & { readonly table: number; readonly hash: string };

/** Null of a record that has no key. */
export function requestIn({ table, request }: MutateBody): Request | null {
  if (request === null) return null;
  const { verb, batchRows, rows, hash } = request;
  return { table, verb, batchRows, rows, hash: Buffer.from(hash).toString('hex') };
}

/**
 * The request that a batch's records carry. The hash is of the rows as they are written, whatever form they came in, so
 * that a repeat in another form, or with its columns in another order, is the same.
 */
export function requestOf({ verb, batchRows }: Asked, slices: readonly Slice[]): RequestBody {
  const hash = createHash('sha256');
  const part = (bytes: Uint8Array): void => void hash.update(`${bytes.length}:`).update(bytes);
  let rows = 0;
  for (const { partition, body } of slices) {
    rows += body.rowCount;
    hash.update(`${partition}/${body.rowCount}/${body.columns.length}`);
    part(body.keys);
    part(body.flags);
    for (const { column, cells } of [...body.columns].sort((a, b) => a.column - b.column)) {
      hash.update(`${column}/`);
      part(cells);
    }
  }
  return { verb, batchRows, rows, hash: hash.digest().subarray(0, HASH_BYTES) };
}

/** Whether both are the same batch. */
export function isSame(one: Request, other: Request): boolean {
  return one.table === other.table && one.verb === other.verb && one.hash === other.hash;
}

/**
 * Whether another batch of a stream may follow the first one of its key: of the same verb and table, and epoch end as that
 * was. EpochEnd otherwise, its batches would hold rows that are there under other numbers.
 */
export function mayFollow(first: Request, next: Request): boolean {
  return first.table === next.table && first.verb === next.verb && first.batchRows === next.batchRows;
}

/** @throws {Fault} always: `keyReused`, naming what the key stood for and what it was to stand for. */
export function refuseOther(keyspace: Keyspace, key: string, first: Request, now: Request): never {
  const [expected, got] = [wordsOf(keyspace, first), wordsOf(keyspace, now)];
  const message = `Idempotency-Key "${key}" was used for ${expected}, and comes again for ${got}: nothing was done; send it under a key of its own`;
  throw new Fault('keyReused', message, { got, expected });
}

/** @throws {Fault} always: `keyForgotten`. Whoever asks has to look. */
export function refuseOld(key: string, ageMs: number, knownMs: number): never {
  const message = `Idempotency-Key "${key}" was first sent ${Math.round(ageMs)} ms ago, and requests are known here for ${Math.round(knownMs)} ms: whether it was done cannot be told, and it is not done now; read what is there, and send what is missing under another key`;
  throw new Fault('keyForgotten', message, { got: Math.round(ageMs), expected: Math.round(knownMs) });
}

function wordsOf(keyspace: Keyspace, { table: id, verb, batchRows, rows, hash }: Request): string {
  const table = keyspace.tables.find((one) => one.id === id)?.name ?? `table ${id}`;
  const epochEnd = batchRows === 0 ? '' : ` in batches of ${batchRows} lines`;
  return `${verb} ${keyspace.name}.${table}, ${rows} ${rows === 1 ? 'row' : 'rows'}${epochEnd} (content ${hash.slice(0, SHOWN_DIGITS)})`;
}
