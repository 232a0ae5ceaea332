/** A connection to a keyspace's sites: what a program reads and writes through. */

import { own } from '@tidemark/model/own';
import { Fault } from '@tidemark/platform/fault';
import { inGroups, inOrder } from './batches.ts';
import { rowFromJson, rowPlace, rowToJson } from './cell-json.ts';
import { exchange, type Reply, type Request } from './exchange.ts';
import { Gathering } from './gathering.ts';
import { isMissingRow } from './missing-row.ts';
import { parseLine, scanBlocks, scanLines } from './ndjson.ts';
import { isPaged, keyParts, type RangeOptions, rangePath, rangeQuery, rowsPath } from './range.ts';
import { type Caller, type ReadFrom, sendAndRead, sendRead, sendWrite } from './retry.ts';
import { queryToJson, type ReadOptions, rowReader, type ScanQuery, type ScanRow, ScanRows } from './scan.ts';
import type { ClientTable, Key, KeyPrefix, Row, TableDefinition, WriteRow } from './table.ts';
import { type Receipt, readWriteReply, receiptsOf } from './write-reply.ts';

/** How much of a write must have happened before it is acked; never less than the keyspace's own level. */
export type WriteOptions = {
  /** `local`: in the primary's log. `sync`: also in other sites' logs. The keyspace's own level unless told. */
  readonly ack?: 'local' | 'sync';
  /** Under the same key a write counts once, however often it is sent. One is made up when it is left out. */
  readonly idempotencyKey?: string;
  /** Gives the write up when it aborts: `unavailable` if nothing of it was sent, else `unknown`. */
  readonly signal?: AbortSignal;
};

/** A batch as bytes, for those who make their own. */
export type EncodedBatch = {
  /** The keyspace's name. */
  readonly keyspace: string;
  /** The table's name, without its keyspace. */
  readonly table: string;
  /** How the rows are written, as `application/json` or `application/x-ndjson`. */
  readonly contentType: string;
  /** The rows. */
  readonly body: string | Uint8Array<ArrayBuffer>;
  /** How many rows there are. */
  readonly rowCount: number;
};

/** How a stream of rows is written. */
export type StreamOptions = {
  /** As in `WriteOptions`. */
  readonly ack?: WriteOptions['ack'];
  /** Rows a batch; 1,000 unless told. */
  readonly batchRows?: number;
  /** Batches on their way at once; 4 unless told. Two writes of one cell keep their order only with 1. */
  readonly inFlight?: number;
  /** Batch n has the key `<prefix>-<n>`. One is made up when it is left out. */
  readonly idempotencyPrefix?: string;
};

/** A row as a site gives it; null: there is none. */
type FoundRow = Readonly<Record<string, unknown>> | null;

/** A page of a range as a site gives it. */
type RangePage = { readonly rows: readonly Readonly<Record<string, unknown>>[]; readonly cursor: string | null };

const BATCH_ROWS = 1_000;
/** A site holds the answer to so many keys whole; that to more it streams, as few as it can do at once. */
const KEYS_TOGETHER = 100;
const IN_FLIGHT = 4;
const SITE_TIME_SHARE = 0.9;

/**
 * A connection to a keyspace's sites, as `connect` opens it. A request is repeated until it is answered for certain or
 * the connection's time-out is over. It holds no socket of its own: closing it only gives up what is under way.
 */
export class Database implements AsyncDisposable {
  readonly #caller: Caller;
  readonly #closing = new AbortController();
  readonly #gathers: boolean;
  readonly #puts: Gathering<Receipt>;
  readonly #gets: Gathering<FoundRow>;

  private constructor(caller: Omit<Caller, 'closing'>, gathers: boolean) {
    this.#caller = { ...caller, closing: this.#closing.signal };
    this.#gathers = gathers;
    const { clock, timeoutMs } = caller;
    this.#puts = new Gathering({ clock, timeoutMs, callsMax: BATCH_ROWS });
    this.#gets = new Gathering({ clock, timeoutMs, callsMax: KEYS_TOGETHER });
  }

  /** @internal What `connect` makes. */
  static through(caller: Omit<Caller, 'closing'>, gathers: boolean): Database {
    return new Database(caller, gathers);
  }

  /**
   * Writes one row. Puts made at the same time travel together in few requests, where they ask for the same ack of the
   * same table; each has its own outcome. One with an `idempotencyKey` goes by itself. Puts of one row are carried out in
   * the order they were made, whether or not they are awaited.
   * @throws {Fault} Refused: as `isRefusal` tells, naming the column and both values. `unavailable`: certainly not stored.
   *   `unknown`: may be stored; the same row under the same `idempotencyKey` may be sent again.
   */
  async put<D extends TableDefinition>(
    table: ClientTable<D>,
    row: WriteRow<D>,
    options: WriteOptions = {},
  ): Promise<Receipt> {
    this.#checkOpen();
    const { keyspace, name } = table;
    const { ack, idempotencyKey, signal } = options;
    return this.#puts.ask({
      group: JSON.stringify([keyspace, name, ack]),
      text: rowToJson(row),
      row: rowPlace(table, row),
      isAlone: !this.#gathers || idempotencyKey !== undefined,
      signal,
      send: async (texts, givenUp) =>
        receiptsOf(await this.#putJson(table, texts, { ...options, signal: givenUp }), texts.length),
    });
  }

  /** Writes rows as one batch. Rows that are refused are named in the receipt; the others count. Errors as `put`. */
  async putMany<D extends TableDefinition>(
    table: ClientTable<D>,
    rows: readonly WriteRow<D>[],
    options: WriteOptions = {},
  ): Promise<Receipt> {
    return this.#putJson(
      table,
      rows.map((row) => rowToJson(row)),
      options,
    );
  }

  #putJson({ keyspace, name }: ClientTable, rows: readonly string[], options: WriteOptions): Promise<Receipt> {
    const body = `{"rows":[${rows.join(',')}]}`;
    const batch = { keyspace, table: name, contentType: 'application/json', body, rowCount: rows.length };
    return this.writeEncoded(batch, options);
  }

  /** Sends a batch as it is, until it is answered for certain. Errors as `put`. */
  async writeEncoded(batch: EncodedBatch, options: WriteOptions = {}): Promise<Receipt> {
    this.#checkOpen();
    const { signal } = options;
    if (signal?.aborted === true)
      throw new Fault('unavailable', 'given up before it was sent: its caller waits no more');
    const caller: Caller =
      signal === undefined
        ? this.#caller
        : { ...this.#caller, closing: AbortSignal.any([this.#caller.closing, signal]) };
    // The site gives up a little before this side does, so that it can say whether the write is stored.
    const timeoutMs = Math.max(1, Math.floor(this.#caller.idleMs * SITE_TIME_SHARE));
    const query = new URLSearchParams({ batchRows: `${Math.max(1, batch.rowCount)}`, timeoutMs: `${timeoutMs}` });
    if (options.ack !== undefined) query.set('ack', options.ack);
    const request: Request = {
      method: 'POST',
      path: `/v1/${encodeURIComponent(batch.keyspace)}/${encodeURIComponent(batch.table)}/rows?${query}`,
      headers: {
        'content-type': batch.contentType,
        'idempotency-key': options.idempotencyKey ?? this.#caller.random.id(),
      },
      body: batch.body,
    };
    return sendAndRead(caller, batch.keyspace, request, (reply) => readWriteReply(reply, batch, caller.idleMs));
  }

  /**
   * Writes a stream of rows in batches and yields each batch's receipt in order. The source is read no faster than
   * batches are acked. Errors as `put`; batches whose receipt was yielded are stored.
   */
  async *write<D extends TableDefinition>(
    table: ClientTable<D>,
    rows: AsyncIterable<WriteRow<D>> | Iterable<WriteRow<D>>,
    options: StreamOptions = {},
  ): AsyncGenerator<Receipt> {
    const prefix = options.idempotencyPrefix ?? this.#caller.random.id();
    const ack = options.ack === undefined ? {} : { ack: options.ack };
    let batch = 0;
    yield* inOrder(inGroups(rows, options.batchRows ?? BATCH_ROWS), options.inFlight ?? IN_FLIGHT, (group) =>
      this.putMany(table, group, { ...ack, idempotencyKey: `${prefix}-${batch++}` }),
    );
  }

  /**
   * The row of a key, null when there is none. Gets made at the same time travel together in few requests, where they ask
   * for the same of the same table.
   * @throws {Fault} refused, also `notFound` for the table; or `unavailable`
   */
  async get<D extends TableDefinition>(
    table: ClientTable<D>,
    key: Key<D>,
    options: ReadOptions = {},
  ): Promise<Row<D> | null> {
    this.#checkOpen();
    const parts = keyParts(table, key);
    if (parts.length !== table.key.length) throw missingKeyPart(table, parts.length);
    const { at, read, atLeast } = options;
    const found = await this.#gets.ask({
      group: JSON.stringify([table.keyspace, table.name, at, read, atLeast]),
      text: keyJson(table, key),
      row: null,
      isAlone: !this.#gathers,
      signal: undefined,
      send: async (keys) =>
        keys.length === 1 ? [await this.#getOne(table, parts, options)] : this.#getRows(table, keys, options),
    });
    return found === null ? null : (rowFromJson(table, found) as Row<D>);
  }

  async #getOne(table: ClientTable, parts: readonly string[], options: ReadOptions): Promise<FoundRow> {
    try {
      using reply = await this.#read(options, table.keyspace, { method: 'GET', path: rowsPath(table, parts) });
      return (await reply.response.json()) as FoundRow;
    } catch (error) {
      if (isMissingRow(error)) return null;
      throw error;
    }
  }

  /**
   * The rows of many keys in one request, in the order of the keys; null where there is none. Each is as it is when it is
   * read. 100,000 keys at most.
   * @throws {Fault} refused, or `unavailable`. `unknown`: the connection broke in the midst of the answer; ask again.
   */
  async getMany<D extends TableDefinition>(
    table: ClientTable<D>,
    keys: readonly Key<D>[],
    options: ReadOptions = {},
  ): Promise<(Row<D> | null)[]> {
    const asked = keys.map((key) => keyJson(table, key));
    const found = await this.#getRows(table, asked, options);
    return found.map((row) => (row === null ? null : (rowFromJson(table, row) as Row<D>)));
  }

  async #getRows(table: ClientTable, keys: readonly string[], options: ReadOptions): Promise<FoundRow[]> {
    const request: Request = {
      method: 'POST',
      path: rowsPath(table, ['get']),
      headers: { 'content-type': 'application/json' },
      body: `{"keys":[${keys.join(',')}]}`,
    };
    using reply = await this.#read(options, table.keyspace, request);
    const what = `rows by key at ${reply.url}`;
    const rows: FoundRow[] = [];
    for await (const lines of scanLines(reply, what, this.#caller.idleMs)) {
      for (const line of lines) rows.push(line === 'null' ? null : parseLine(line, what));
    }
    if (rows.length === keys.length) return rows;
    const message = `${what}: ${rows.length} rows arrived, expected ${keys.length}`;
    throw new Fault('unknown', message, { got: rows.length, expected: keys.length });
  }

  /**
   * The rows whose key begins with `prefix`, in key order, the last first where `order` says so, within bounds of the key
   * column that follows. Up to 1,000 rows come page by page of 2 MiB; more, or all, as a scan does, as of one moment.
   * @throws {Fault} as `scan`
   */
  async *range<D extends TableDefinition>(
    table: ClientTable<D>,
    prefix: KeyPrefix<D>,
    options: RangeOptions = {},
  ): AsyncGenerator<Row<D>> {
    const parts = keyParts(table, prefix);
    if (parts.length === 0) throw missingKeyPart(table, 0);
    if (!isPaged(options) || parts.length === table.key.length) {
      const query = rangeQuery(table, prefix, parts.length, options);
      yield* this.scan(table, query, options) as AsyncIterable<Row<D>>;
      return;
    }
    let cursor: string | null = null;
    let left = options.limit;
    do {
      const path = rangePath(table, parts, options, left, cursor);
      using reply = await this.#read(options, table.keyspace, { method: 'GET', path });
      const page = (await reply.response.json()) as RangePage;
      for (const row of page.rows) yield rowFromJson(table, row) as Row<D>;
      left -= page.rows.length;
      ({ cursor } = page);
    } while (cursor !== null && left > 0);
  }

  /** Rows by condition, selection, grouping and order, as they arrive. @throws {Fault} see `ScanRows.blocks`. */
  scan<D extends TableDefinition, const Q extends ScanQuery<D>>(
    table: ClientTable<D>,
    query: Q,
    options: ReadOptions = {},
  ): ScanRows<ScanRow<D, Q>> {
    const open = (): Promise<Reply> => this.openScan(table, queryToJson(query), options);
    return ScanRows.of<ScanRow<D, Q>>(open, rowReader(table, query.select), this.#caller.idleMs);
  }

  /**
   * A scan as JSON, answered as NDJSON, or in another form that sites give, which the caller reads and disposes.
   * @internal
   * @param accept the form's media type
   */
  async openScan(
    table: { readonly keyspace: string; readonly name: string },
    query: string,
    options: ReadOptions = {},
    accept?: string,
  ): Promise<Reply> {
    const path = `/v1/${encodeURIComponent(table.keyspace)}/${encodeURIComponent(table.name)}/scan`;
    const headers = { 'content-type': 'application/json', ...(accept === undefined ? {} : { accept }) };
    return this.#read(options, table.keyspace, { method: 'POST', path, headers, body: query });
  }

  /**
   * Resolves once the write is visible to readers at a site.
   * @throws {Fault} `unavailable`: not yet, within the connection's time-out.
   */
  async visible(receipt: Receipt, where: { readonly at: string }): Promise<void> {
    if (receipt.token === '') return;
    const table = { keyspace: receipt.keyspace, name: receipt.table };
    using reply = await this.openScan(table, '{"limit":1}', { at: where.at, atLeast: receipt.token });
    for await (const _ of scanBlocks(reply, `scan at ${reply.url}`, this.#caller.idleMs));
  }

  /**
   * Any other request: to a site by name or address, to the primary of a keyspace, or to any site. The caller disposes
   * the answer. What changes something is sent once to a site, and until it is answered to a primary.
   * @internal
   */
  async ask(from: ReadFrom, request: Request): Promise<Reply> {
    this.#checkOpen();
    const { sites } = this.#caller;
    const where = typeof from === 'object' && 'site' in from ? { site: await sites.urlOf(from.site) } : from;
    if (request.method === 'GET') return sendRead(this.#caller, where, request);
    if (typeof where === 'object' && 'primaryOf' in where) return sendWrite(this.#caller, where.primaryOf, request);
    return exchange(this.#caller, where === 'any' ? sites.reader : where.site, request, this.#caller.idleMs);
  }

  /** The addresses of all sites: those given, and those that the sites name. */
  async siteUrls(): Promise<readonly string[]> {
    await this.#caller.sites.lookAround();
    return this.#caller.sites.urls;
  }

  /** Reads go to this site from now on, while it answers. @throws {Fault} `invalid`: no site has that name. */
  async preferSite(nameOrUrl: string): Promise<void> {
    await this.#caller.sites.readFrom(nameOrUrl);
  }

  /** @internal Longest silence in the midst of an answer, in ms. */
  get idleMs(): number {
    return this.#caller.idleMs;
  }

  async #read(options: ReadOptions, keyspace: string, request: Request): Promise<Reply> {
    this.#checkOpen();
    const from: ReadFrom =
      options.at !== undefined
        ? { site: await this.#caller.sites.urlOf(options.at) }
        : options.read === 'primary'
          ? { primaryOf: keyspace }
          : 'any';
    const path = options.read === 'primary' ? withQuery(request.path, 'read=primary') : request.path;
    const atLeast = options.atLeast === undefined ? {} : { 'tidemark-at-least': options.atLeast };
    return sendRead(this.#caller, from, { ...request, path, headers: { ...request.headers, ...atLeast } });
  }

  #checkOpen(): void {
    if (this.#closing.signal.aborted) throw new Fault('invalid', 'the connection was closed; connect again');
  }

  /** Closes the connection. What is under way is given up: a write as `unknown`, if it may have been stored. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#puts.close();
    this.#gets.close();
    this.#closing.abort();
  }
}

function keyJson(table: ClientTable, key: Readonly<Record<string, unknown>>): string {
  return rowToJson(Object.fromEntries(table.key.map((column) => [column, own(key, column)])));
}

function withQuery(path: string, query: string): string {
  return `${path}${path.includes('?') ? '&' : '?'}${query}`;
}

function missingKeyPart(table: ClientTable, given: number): Fault {
  const column = table.key[given]!;
  const message = `table ${table.keyspace}.${table.name}: key part "${column}" is missing; the key is ${table.key.join(', ')}`;
  return new Fault('invalid', message, { table: table.name, column, expected: table.key });
}
