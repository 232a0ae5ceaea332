/**
 * One connection to one broker: requests out, answers back. It stands on the socket itself: kafkajs shows no connection to
 * others, and that of @platformatic/kafka copies what is sent, believes whatever length an answer begins with, and is slow
 * to load (docs/performance.md).
 * A link that failed once stays closed: whoever needs it opens another.
 */

import { connect, type Socket } from 'node:net';
import type { Clock } from '@tidemark/platform/clock';
import { Fault, messageOf } from '@tidemark/platform/fault';
import { within } from '@tidemark/platform/sync/deadline';
import { KafkaFrames } from './frames.ts';
import { API, apiVersionsRequest, checkVersions, type VersionRange, type WireRequest } from './wire.ts';

const CORRELATION_ID_MAX = 0x7fffffff;

type LinkOptions = { readonly clock: Clock; readonly clientId: string; readonly openMsMax: number };

type Waiting = {
  readonly correlationId: number;
  readonly resolve: (answer: Buffer) => void;
  readonly reject: (error: Error) => void;
};

/**
 * One open connection; a request that fails or gets no answer in time closes it, and whether it was sent is its
 * caller's to judge.
 */
export class KafkaLink {
  readonly address: string;
  readonly #clock: Clock;
  readonly #clientId: Buffer;
  readonly #socket: Socket;
  readonly #frames = new KafkaFrames();
  /** Requests under way, the oldest first: a broker answers those of a connection in order. */
  readonly #waiting: Waiting[] = [];
  #correlationId = 0;
  #versions: ReadonlyMap<number, VersionRange> = new Map();
  #closedBy: Error | null = null;

  private constructor(address: string, { clock, clientId }: LinkOptions, socket: Socket) {
    this.address = address;
    this.#clock = clock;
    this.#clientId = Buffer.from(clientId);
    this.#socket = socket;
    socket.on('data', (bytes) => this.#take(bytes));
    socket.on('error', (error) => this.close(error));
    socket.on('close', () => this.close(new Error('the connection was closed')));
  }

  /** @throws {Fault} `unavailable`: no broker there. `invalid`: one that is too old, naming both versions. */
  static async open(address: string, options: LinkOptions): Promise<KafkaLink> {
    const [host, port] = splitAddress(address);
    // What is sent before it is connected waits in the socket; TLS would be `tls.connect`, with the same events.
    const link = new KafkaLink(address, options, connect({ host, port, noDelay: true, keepAlive: true }));
    try {
      link.#versions = await link.send(apiVersionsRequest(), options.openMsMax);
      // Here SASL has its place: two more requests, before any other.
      checkVersions(`kafka://${address}`, link.#versions);
      return link;
    } catch (error) {
      link.close();
      if (error instanceof Fault) throw error;
      throw new Fault('unavailable', `kafka://${address}: ${messageOf(error)}`, { cause: error });
    }
  }

  /** Newest Produce version of the broker. */
  get produceVersion(): number {
    return this.#versions.get(API.produce.apiKey)!.max;
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
      const answer = await within(this.#clock, deadlineMs, this.#exchange(request));
      if (answer === null) throw new Error(`no answer within ${deadlineMs} ms`);
      return request.decode(answer.value);
    } catch (error) {
      this.close(error instanceof Error ? error : new Error(messageOf(error)));
      throw error;
    }
  }

  #exchange({ apiKey, apiVersion, body }: WireRequest<unknown>): Promise<Buffer> {
    const correlationId = this.#correlationId;
    this.#correlationId = correlationId === CORRELATION_ID_MAX ? 0 : correlationId + 1;
    const header = Buffer.allocUnsafe(14 + this.#clientId.length);
    header.writeInt32BE(header.length - 4 + body.reduce((sum, part) => sum + part.length, 0), 0);
    header.writeInt16BE(apiKey, 4);
    header.writeInt16BE(apiVersion, 6);
    header.writeInt32BE(correlationId, 8);
    header.writeInt16BE(this.#clientId.length, 12);
    header.set(this.#clientId, 14);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ correlationId, resolve, reject });
      this.#socket.cork();
      this.#socket.write(header);
      for (const part of body) this.#socket.write(part);
      this.#socket.uncork();
    });
  }

  /** Never throws: nobody could catch it, and what somebody else sent would end the process. */
  #take(bytes: Buffer): void {
    try {
      for (const answer of this.#frames.take(bytes)) this.#answered(answer);
    } catch (error) {
      this.close(error as Error);
    }
  }

  #answered(frame: Buffer): void {
    const got = frame.readInt32BE(0);
    const oldest = this.#waiting[0];
    if (got !== oldest?.correlationId)
      throw new Error(`an answer to request ${got}, expected one to ${oldest?.correlationId ?? 'none'}`);
    this.#waiting.shift();
    oldest.resolve(frame.subarray(4));
  }

  /** Ends it at once; what waits for an answer fails with `reason`. */
  close(reason = new Error('closed')): void {
    if (this.#closedBy !== null) return;
    this.#closedBy = reason;
    this.#socket.destroy();
    for (const { reject } of this.#waiting.splice(0)) reject(reason);
  }
}

/** @throws {Fault} `invalid` for anything but `host:port`. */
function splitAddress(address: string): [string, number] {
  const found = /^\[?([^\s/]+?)\]?:(\d+)$/.exec(address);
  if (found === null)
    throw new Fault('invalid', `broker ${JSON.stringify(address)}, expected host:port`, { got: address });
  return [found[1]!, Number(found[2])];
}
