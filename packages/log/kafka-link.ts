/**
 * One connection to one broker. kafkajs carries the frames and would carry TLS and SASL; it is used from the inside,
 * its library being frozen, because its producer and consumer cannot say what certainly did not happen (kafka.md).
 * A link that failed once stays closed: whoever needs it opens another.
 */

import { createRequire } from 'node:module';
import { connect, type Socket } from 'node:net';
import type { Clock } from '@tidemark/world/clock';
import { Fault, messageOf } from '@tidemark/world/fault';
import { VERSIONS_NEEDED, type WireRequest } from './kafka-wire.ts';

const API_NAMES: Readonly<Record<string, string>> = {
  1: 'Fetch',
  2: 'ListOffsets',
  3: 'Metadata',
  19: 'CreateTopics',
  21: 'DeleteRecords',
};
const PRODUCE = 0;
const PRODUCE_VERSION_MIN = 9;

type Connection = {
  readonly socket?: Socket;
  send(request: object): Promise<unknown>;
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

// kafkajs arms a timer after every answer, with a negative delay, whether or not a request waits for it: on Node 24 that
// is a warning and up to 3 % of a core per idle client.
const armTimer = RequestQueue.prototype.scheduleCheckPendingRequests;
RequestQueue.prototype.scheduleCheckPendingRequests = function (this: Queue): void {
  if (this.pending.length > 0) armTimer.call(this);
};

const SILENT_KAFKAJS = { info() {}, warn() {}, error() {}, debug() {}, namespace: () => SILENT_KAFKAJS };

export type LinkOptions = { readonly clock: Clock; readonly clientId: string; readonly openMsMax: number };

export class KafkaLink {
  readonly address: string;
  /** Newest Produce version of the broker. */
  readonly produceVersion: number;
  readonly #clock: Clock;
  readonly #connection: Connection;
  #closedBy: Error | null = null;

  private constructor(address: string, clock: Clock, connection: Connection, produceVersion: number) {
    this.address = address;
    this.produceVersion = produceVersion;
    this.#clock = clock;
    this.#connection = connection;
    connection.socket?.once('close', () => this.close(new Error('the connection was closed')));
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
      const link = new KafkaLink(address, clock, await pool.getConnection(0), broker.versions[PRODUCE]!.maxVersion);
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
    const { apiKey, apiName, apiVersion, body, decode } = request;
    const protocol = {
      request: { apiKey, apiName, apiVersion, encode: async () => ({ buf: body, buffer: body }) },
      response: {
        decode: async (answer: Buffer) => ({ answer }),
        parse: async (read: { answer: Buffer }) => read.answer,
      },
      logResponseError: false,
    };
    try {
      const answer = await withDeadline(this.#clock, deadlineMs, () => this.#connection.send(protocol));
      return decode(answer as Buffer);
    } catch (error) {
      this.close(error instanceof Error ? error : new Error(messageOf(error)));
      throw error;
    }
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
  connection.socket?.destroy();
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
export async function withDeadline<T>(clock: Clock, ms: number, work: () => Promise<T>): Promise<T> {
  const done = new AbortController();
  const late = clock.sleep(ms, done.signal).then(() => done.signal);
  try {
    const first = await Promise.race([work(), late]);
    if (first === done.signal) throw new Error(`no answer within ${ms} ms`);
    return first as T;
  } finally {
    done.abort();
  }
}
