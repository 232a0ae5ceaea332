/** A scan whose answer is an Arrow stream. */

import type { Database } from '@tidemark/client';
import { byteChunks } from '@tidemark/client/byte-chunks';
import type { Reply } from '@tidemark/client/exchange';
import type { ReadOptions } from '@tidemark/client/scan';
import { type ArrowBatch, readArrow } from '@tidemark/columnar/arrow-read';
import { ARROW_END, ARROW_MEDIA_TYPE } from '@tidemark/columnar/arrow-write';
import { Fault } from '@tidemark/platform/fault';

/** The table that is read. */
export type Place = { readonly keyspace: string; readonly name: string };

/** @throws {Fault} `invalid`: the site gives no Arrow: it is of an older version. */
async function openArrow(db: Database, place: Place, query: string, options: ReadOptions): Promise<Reply> {
  const reply = await db.openScan(place, query, options, ARROW_MEDIA_TYPE);
  const type = reply.response.headers.get('content-type');
  if (type?.startsWith(ARROW_MEDIA_TYPE) === true) return reply;
  reply[Symbol.dispose]();
  const message = `${reply.url} answers with ${type}, expected ${ARROW_MEDIA_TYPE}: is it of an older version?`;
  throw new Fault('invalid', message, { got: type, expected: ARROW_MEDIA_TYPE });
}

/** The stream's bytes as they come. @throws {Fault} `unknown`: it stopped before its end mark. */
export async function* arrowBytes(
  db: Database,
  place: Place,
  query: string,
  options: ReadOptions,
): AsyncGenerator<Uint8Array> {
  using reply = await openArrow(db, place, query, options);
  const what = `scan at ${reply.url}`;
  let last: Uint8Array = new Uint8Array(0);
  for await (const chunk of byteChunks(reply, what, db.idleMs)) {
    last = Buffer.concat([last, chunk.subarray(-ARROW_END.length)]).subarray(-ARROW_END.length);
    yield chunk;
  }
  if (!Buffer.from(last).equals(ARROW_END)) throw new Fault('unknown', `${what}: the answer stopped before its end`);
}

/** The same as batches; the first one has no rows and names the columns. */
export async function* arrowBatches(
  db: Database,
  place: Place,
  query: string,
  options: ReadOptions,
): AsyncGenerator<ArrowBatch> {
  using reply = await openArrow(db, place, query, options);
  const what = `scan at ${reply.url}`;
  yield* readArrow(byteChunks(reply, what, db.idleMs), what);
}
