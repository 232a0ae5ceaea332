/**
 * One connection to one broker. kafkajs carries the frames and would carry TLS and SASL; it is used from the inside,
 * its library being frozen, because its producer and consumer cannot say what certainly did not happen.
 * A link that failed once stays closed: whoever needs it opens another.
 */

import { createRequire } from 'node:module';
import { connect, type Socket } from 'node:net';
import type { Clock } from '@tidemark/platform/clock';
import { Fault, messageOf } from '@tidemark/platform/fault';
import { KafkaFrames } from './frames.ts';
import { VERSIONS_NEEDED, type WireRequest } from './wire.ts';

const API_NAMES: Readonly<Record<string, string>> = {
  1: 'Fetch',
  2: 'ListOffsets',
  3: 'Metadata',
  19: 'CreateTopics',
  21: 'DeleteRecords',
  32: 'DescribeConfigs',
  44: 'IncrementalAlterConfigs',
};
const PRODUCE = 0;
const PRODUCE_VERSION_MIN = 9;

type Entry = {
  readonly apiKey: number;
  readonly apiName: string;
  readonly apiVersion: number;
  readonly correlationId: number;
  readonly resolve: (answered: { readonly payload: Buffer }) => void;
  readonly reject: (error: Error) => void;
};
type Connection = {
  readonly socket: Socket;
  processData(bytes: Buffer): void;
  readonly requestQueue: {
    push(request: { readonly entry: Entry; readonly expectResponse: true; readonly sendRequest: () => void }): void;
  };
  nextCorrelationId(): number;
  rejectRequests(error: Error): void;
  disconnect(): Promise<unknown>;
};
type Pool = { getConnection(index: number): Promise<Connection>; readonly pool: readonly Connection[] };
type Broker = {
  connect(): Promise<void>;
  readonly versions: Readonly<Record<number, { readonly maxVersion: number }>>;
};
type Queue = { readonly pending: readonly unknown[]; scheduleCheckPendingRequests(): void };

const load = createRequire(import.meta.url);
const KafkaBroker = load('kafkajs/src/broker/index.js') as new (options: object) => Broker;
const KafkaPool = load('kafkajs/src/network/connectionPool.js') as new (options: object) => Pool;
const RequestQueue = load('kafkajs/src/network/requestQueue/index.js') as { readonly prototype: Queue };
const KafkaConnection = load('kafkajs/src/network/connection.js') as { readonly prototype: Connection };

// kafkajs arms a timer after every answer, with a negative delay, whether or not a request waits for it: on Node 24 that
// is a warning and up to 3 % of a core per idle client.
const armTimer = RequestQueue.prototype.scheduleCheckPendingRequests;
RequestQueue.prototype.scheduleCheckPendingRequests = function (this: Queue): void {
  if (this.pending.length > 0) armTimer.call(this);
};

// It believes the length that a frame begins with. A wrong one throws out of the socket's own handler, where nobody could
// catch it, and the process would end because of what somebody else sent; or it is taken for a shorter frame.
const framesOf = new WeakMap<Socket, KafkaFrames>();
const takeBytes = KafkaConnection.prototype.processData;
KafkaConnection.prototype.processData = function (this: Connection, bytes: Buffer): void {
  const frames = framesOf.get(this.socket) ?? new KafkaFrames();
  framesOf.set(this.socket, frames);
  try {
    frames.take(bytes);
    takeBytes.call(this, bytes);
  } catch (error) {
    // Whoever waits is told that this connection failed, as with any other.
    dropConnection(this, new Error(messageOf(error), { cause: error }));
  }
};

const SILENT_KAFKAJS = { info() {}, warn() {}, error() {}, debug() {}, namespace: () => SILENT_KAFKAJS };

type LinkOptions = { readonly clock: Clock; readonly clientId: string; readonly openMsMax: number };

/**
 * One open connection; a request that fails or gets no answer in time closes it, and whether it was sent is its
 * caller's to judge.
 */
export class KafkaLink {
  readonly address: string;
  /** Newest Produce version of the broker. */
  readonly produceVersion: number;
  readonly #clock: Clock;
  readonly #connection: Connection;
  readonly #clientId: Buffer;
  #closedBy: Error | null = null;

  private constructor(address: string, options: LinkOptions, connection: Connection, produceVersion: number) {
    this.address = address;
    this.produceVersion = produceVersion;
    this.#clock = options.clock;
    this.#clientId = Buffer.from(options.clientId);
    this.#connection = connection;
    connection.socket.once('close', () => this.close(new Error('the connection was closed')));
  }

  /** @throws {Fault} `unavailable`: no broker there. `invalid`: one that is too old, naming both versions. */
  static async open(address: string, options: LinkOptions): Promise<KafkaLink> {
    const { clock, clientId, openMsMax } = options;
    const [host, port] = splitAddress(address);
    const pool = new KafkaPool({
      host,
      port,
      clientId,
      logger: SILENT_KAFKAJS,
      connectionTimeout: openMsMax,
      requestTimeout: openMsMax,
      // Its own enforcement is a timer ten times a second; deadlines are kept here.
      enforceRequestTimeout: false,
      socketFactory: (to: { host: string; port: number; onConnect: () => void }) =>
        connect({ host: to.host, port: to.port, noDelay: true, keepAlive: true }, to.onConnect),
    });
    const broker = new KafkaBroker({ connectionPool: pool, logger: SILENT_KAFKAJS, allowAutoTopicCreation: false });
    try {
      await withDeadline(clock, openMsMax, () => broker.connect());
      const link = new KafkaLink(address, options, await pool.getConnection(0), broker.versions[PRODUCE]!.maxVersion);
      link.#checkVersions(broker.versions);
      return link;
    } catch (error) {
      for (const connection of pool.pool) dropConnection(connection, error as Error);
      if (error instanceof Fault) throw error;
      throw new Fault('unavailable', `kafka://${address}: ${messageOf(error)}`, { cause: error });
    }
  }

  #checkVersions(versions: Broker['versions']): void {
    const needed: [string, number][] = [...Object.entries(VERSIONS_NEEDED), [String(PRODUCE), PRODUCE_VERSION_MIN]];
    for (const [key, expected] of needed) {
      const got = versions[Number(key)]?.maxVersion ?? -1;
      if (got >= expected) continue;
      const message = `kafka://${this.address}: ${API_NAMES[key] ?? 'Produce'} version ${got}, at least ${expected} needed: use Kafka 4`;
      throw new Fault('invalid', message, { got, expected });
    }
  }

  get isClosed(): boolean {
    return this.#closedBy !== null;
  }

  /**
   * Sends a request and waits for its answer. Any failure closes the link, since an answer may still come later.
   * @throws {Error} anything: whether the broker got the request is not known.
   */
  async send<T>(request: WireRequest<T>, deadlineMs: number): Promise<T> {
    if (this.#closedBy !== null) throw this.#closedBy;
    try {
      return request.decode(await withDeadline(this.#clock, deadlineMs, () => this.#exchange(request)));
    } catch (error) {
      this.close(error instanceof Error ? error : new Error(messageOf(error)));
      throw error;
    }
  }

  /** Past kafkajs's own encoder, which copies a request twice. */
  #exchange({ apiKey, apiName, apiVersion, body }: WireRequest<unknown>): Promise<Buffer> {
    const { socket, requestQueue } = this.#connection;
    const correlationId = this.#connection.nextCorrelationId();
    const header = Buffer.allocUnsafe(14 + this.#clientId.length);
    header.writeInt32BE(header.length - 4 + body.reduce((sum, part) => sum + part.length, 0), 0);
    header.writeInt16BE(apiKey, 4);
    header.writeInt16BE(apiVersion, 6);
    header.writeInt32BE(correlationId, 8);
    header.writeInt16BE(this.#clientId.length, 12);
    header.set(this.#clientId, 14);
    return new Promise((resolve, reject) => {
      const sendRequest = (): void => {
        socket.cork();
        socket.write(header);
        for (const part of body) socket.write(part);
        socket.uncork();
      };
      const answered = ({ payload }: { readonly payload: Buffer }): void => resolve(payload);
      const entry = { apiKey, apiName, apiVersion, correlationId, resolve: answered, reject };
      requestQueue.push({ entry, expectResponse: true, sendRequest });
    });
  }

  /** Ends it at once; what waits for an answer fails with `reason`. */
  close(reason = new Error('closed')): void {
    if (this.#closedBy !== null) return;
    this.#closedBy = reason;
    dropConnection(this.#connection, reason);
  }
}

/** kafkajs's own disconnect waits for answers that may never come; so they are refused first. */
function dropConnection(connection: Connection, reason: Error): void {
  connection.rejectRequests(reason);
  // Not there yet when connecting failed.
  (connection.socket as Socket | undefined)?.destroy();
  connection.disconnect().catch(() => {});
}

/** @throws {Fault} `invalid` for anything but `host:port`. */
function splitAddress(address: string): [string, number] {
  const found = /^\[?([^\s/]+?)\]?:(\d+)$/.exec(address);
  if (found === null)
    throw new Fault('invalid', `broker ${JSON.stringify(address)}, expected host:port`, { got: address });
  return [found[1]!, Number(found[2])];
}

/** The result of `work`, or an error after `ms`. The work itself goes on. */
async function withDeadline<T>(clock: Clock, ms: number, work: () => Promise<T>): Promise<T> {
  const done = new AbortController();
  const late = clock.sleep(ms, done.signal).then(() => done.signal);
  try {
    const first = await Promise.race([work(), late]);
    if (first === done.signal) throw new Error(`no answer within ${ms} ms`);
    return first as T;
  } finally {
    // With a reason of its own: the default one is an exception with a stack, for every request.
    done.abort(null);
  }
}
