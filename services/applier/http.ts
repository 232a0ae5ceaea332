/** Reads over HTTP: rows by key and range, scans, digests and positions. */

import { Closing, closedSignal } from '@tidemark/jobs/request';
import { formatPosition } from '@tidemark/model/position';
import { formatStamp } from '@tidemark/model/stamp';
import { tableNamed } from '@tidemark/model/table';
import { keyParts, segmentsOfRow } from '@tidemark/model/text/key-path';
import { ROUTES } from '@tidemark/peer/routes';
import type { Clock } from '@tidemark/platform/clock';
import { Fault, isFault, messageOf } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { KeyspaceApplier } from './applier.ts';
import { scratchFolderIn } from './keyspace/scratch.ts';
import type { TableStore } from './keyspace/stores.ts';
import { digestKeyspace } from './read/digests.ts';
import type { Freshness } from './read/freshness.ts';
import { formatTick, parseTick } from './read/gc-watermark-text.ts';
import { HeldDigests } from './read/held-digests.ts';
import { planRange, RANGE_PARAMETERS, type RangeQuery, readRange } from './read/range.ts';
import { readRow, rowToJson } from './read/rows.ts';
import { parseKeys, rowLines, shortRowLines } from './read/rows-get.ts';
import { ADMISSION_LIMITS, ScanAdmission, type ScanPlace } from './read/scan-admission.ts';
import { isArrow, planScan, scanTable, shortAnswer } from './read/scan-http.ts';
import { NDJSON_TYPE, type StreamedAnswer } from './read/streamed.ts';
import type { Replays } from './replay/replays.ts';

/** What the read routes need of the site. */
type HttpParts = {
  readonly site: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly replays: Pick<Replays, 'table' | 'tables'>;
  readonly freshness: Freshness;
  /** @throws {Fault} `notFound`: no such keyspace at this site. `unavailable`: nothing may be read from it yet. */
  readonly applierOf: (keyspace: string) => KeyspaceApplier;
  /** Likewise, though nothing may be read from it yet. */
  readonly anyApplierOf: (keyspace: string) => KeyspaceApplier;
};

type Query = { read?: string; timeoutMs?: string } & RangeQuery;
type Params = { keyspace: string; table: string; '*': string };
type ReadRequest = FastifyRequest<{ Params: Params; Querystring: Query }>;

const JSON_TYPE = 'application/json; charset=utf-8';
/** What a scan asks for is small: the longest lists of conditions fit. */
const SCAN_BODY_BYTES_MAX = 4 * 1024 * 1024;
/** So many keys as may be asked for at once fit, of 160 bytes each. */
const KEYS_BODY_BYTES_MAX = 16 * 1024 * 1024;
/** Digests read every row: few at once, and those that wait are patient. */
const DIGEST_LIMITS = { ...ADMISSION_LIMITS, runningMax: 2, waitMsMax: 60_000 };

/**
 * Adds the routes for rows, scans, digests and positions; faults become statuses where the site's error handler says.
 */
export function registerApplierRoutes(
  app: FastifyInstance,
  { site, clock, logger, replays, freshness, applierOf, anyApplierOf }: HttpParts,
): void {
  const admission = new ScanAdmission(clock);
  /** The keyspace and table asked for, as fresh as asked; the answer's headers are set. */
  const opened = async (request: ReadRequest, reply: FastifyReply, closing: Closing) => {
    const { keyspace, table } = request.params;
    const applier = applierOf(keyspace);
    tableOf(replays, applier, table);
    const header = request.headers['tidemark-at-least'];
    const { read, timeoutMs } = request.query;
    await freshness.reach(applier, { read, timeoutMs, atLeast: header?.toString() }, closing);
    const told = await applier.told.tell(applier.asOf.barrier);
    const asOf = told === null ? null : formatTick(told);
    if (asOf !== null) void reply.header('Tidemark-As-Of', asOf);
    void reply.header('Tidemark-Site', site).header('Tidemark-Epoch', applier.origins.epoch);
    return { applier, store: tableOf(replays, applier, table), asOf };
  };

  /** An answer that is sent as it is read, while few others are. */
  const streamed = async (
    applier: KeyspaceApplier,
    reply: FastifyReply,
    closing: Closing,
    begin: (place: ScanPlace, noteDamage: (error: unknown) => boolean) => Promise<StreamedAnswer>,
  ): Promise<FastifyReply> => {
    const place = await admission.enter(closing.signal);
    try {
      const { type, stream } = await unlessDamaged(applier, () => begin(place, (error) => applier.noteDamage(error)));
      return reply.type(type).send(stream);
    } catch (error) {
      place.leave();
      throw error;
    }
  };

  app.get('/v1/:keyspace/:table/rows/*', async (request: ReadRequest, reply) => {
    const closing = new Closing(reply);
    const { applier, store } = await opened(request, reply, closing);
    const segments = keyParts(segmentsOfRow(request.raw.url ?? ''));
    if (segments.length < store.table.key.length) {
      const plan = planRange(store.table, segments, request.query);
      // A page of many rows is read as a scan is: by few at once, and only while it is taken.
      const place = plan.isShort ? null : await admission.enter(closing.signal);
      place?.signal.addEventListener('abort', () => reply.raw.destroy(), { once: true });
      const page = await unlessDamaged(applier, () => readRange(store, plan));
      if (place !== null) place.unreadSinceMs = clock.monotonicMs();
      return reply.type(JSON_TYPE).send(page);
    }
    checkWholeKey(store, request.query);
    const row = await unlessDamaged(applier, () => readRow(store, segments));
    void reply.header('Tidemark-Stamp', formatStamp(row.stamp));
    return rowToJson(store.table, row);
  });

  app.post('/v1/:keyspace/:table/scan', { bodyLimit: SCAN_BODY_BYTES_MAX }, async (request: ReadRequest, reply) => {
    const closing = new Closing(reply);
    const { applier, store, asOf } = await opened(request, reply, closing);
    const { accept } = request.headers;
    const beganMs = clock.monotonicMs();
    const scan = planScan(store, request.body ?? {});
    if (scan.isShort && !isArrow(accept)) {
      const elapsedMs = (): number => Math.round(clock.monotonicMs() - beganMs);
      const text = await unlessDamaged(applier, () => shortAnswer(scan, elapsedMs, asOf));
      if (text !== null) return reply.type(NDJSON_TYPE).send(text);
    }
    return streamed(applier, reply, closing, (place, noteDamage) =>
      scanTable(scan, { clock, logger, asOf, accept, place, noteDamage, beganMs }),
    );
  });

  app.post('/v1/:keyspace/:table/rows/get', { bodyLimit: KEYS_BODY_BYTES_MAX }, async (request: ReadRequest, reply) => {
    const closing = new Closing(reply);
    const { applier, store, asOf } = await opened(request, reply, closing);
    const wish = parseKeys(store, request.body);
    const text = await unlessDamaged(applier, () => shortRowLines(store, wish, asOf));
    if (text !== null) return reply.type(NDJSON_TYPE).send(text);
    return streamed(applier, reply, closing, (place, noteDamage) =>
      rowLines(store, wish, asOf, { clock, logger, place, noteDamage }),
    );
  });

  type DigestWish = { Params: { keyspace: string }; Querystring: { gcWatermark?: string } };
  const digesting = new ScanAdmission(clock, DIGEST_LIMITS);
  app.get<DigestWish>(ROUTES.digest.path, async (request, reply) => {
    const { keyspace } = request.params;
    const { gcWatermark } = request.query;
    const asked = gcWatermark === undefined ? null : parseTick(gcWatermark);
    const applier = applierOf(keyspace);
    const place = await digesting.enter(closedSignal(reply));
    try {
      const tables = replays.tables(keyspace);
      return await unlessDamaged(applier, () => digestKeyspace(site, applier, tables, asked));
    } finally {
      place.leave();
    }
  });
  const held = new HeldDigests(site, clock);
  app.post<{ Params: { keyspace: string } }>(ROUTES.held.path, (request, reply) => {
    const applier = anyApplierOf(request.params.keyspace);
    return unlessDamaged(applier, () => held.answer(applier, request.body, closedSignal(reply)));
  });
  app.get<{ Params: { keyspace: string } }>(ROUTES.applied.path, async (request) => {
    const applier = anyApplierOf(request.params.keyspace);
    const { asOf } = applier;
    const { forgotten } = applier.stores;
    const positions = applier.origins.names.map((origin) => {
      return [origin, applier.origins.readers(origin).map((reader) => formatPosition(reader.applied))] as const;
    });
    return {
      site,
      positions: Object.fromEntries(positions),
      asOf: asOf.current === null ? null : formatTick(asOf.current),
      asOfEpoch: asOf.epoch,
      forgotten: forgotten === null ? null : formatTick(forgotten),
      lagMs: applier.lag.quantiles(),
    };
  });
}

/**
 * What a read gives. One that meets wrong bytes in column files has them built again.
 * @throws {Fault} `unavailable`: it did; names the file and both sums.
 */
async function unlessDamaged<T>(applier: KeyspaceApplier, read: () => T | Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!applier.noteDamage(error)) throw error;
    const isScratch = isFault(error) && scratchFolderIn(error.details.path ?? '') !== null;
    const remedy = isScratch
      ? 'it is set aside, replay into it again'
      : 'it is built again from the logs, read it at another site';
    const message = `${messageOf(error)}; ${remedy}`;
    throw new Fault('unavailable', message, { retryAfterMs: 1_000, cause: error });
  }
}

/** @throws {Fault} `invalid`: what is asked for is one row, and a parameter says which of many. */
function checkWholeKey({ table }: TableStore, query: Query): void {
  const name = [...RANGE_PARAMETERS, 'select' as const].find((one) => query[one] !== undefined);
  if (name === undefined) return;
  const message = `query parameter ${name}=${query[name]} beside a whole key of table ${table.name}, expected fewer than ${table.key.length} key parts`;
  throw new Fault('invalid', message, {
    table: table.name,
    got: name,
    expected: `fewer than ${table.key.length} key parts`,
  });
}

/** @throws {Fault} `notFound`: neither a table nor a scratch table. */
function tableOf(replays: Pick<Replays, 'table'>, applier: KeyspaceApplier, name: string): TableStore {
  const { keyspace } = applier.stores;
  const known = keyspace.tables.some((table) => table.name === name);
  const scratch = known ? undefined : replays.table(keyspace.name, name);
  return scratch ?? applier.stores.tableStore(tableNamed(keyspace, name).id)!;
}
