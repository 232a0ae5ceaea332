/** One connection over which requests go one after the other: as little of a client as there can be. */

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

const HEAD_END = Buffer.from('\r\n\r\n');
const NO_BYTES: Buffer = Buffer.alloc(0);

/** A request as it goes over the wire. */
export function requestBytes(host: string, method: string, path: string, body: object | null = null): Buffer {
  const text = body === null ? '' : JSON.stringify(body);
  const type = body === null ? '' : `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n`;
  return Buffer.from(`${method} ${path} HTTP/1.1\r\nhost: ${host}\r\n${type}\r\n${text}`);
}

/** A connection that is kept; answers have their length in their head, or end with a chunk of no bytes. */
export class HttpLane {
  readonly #socket: Socket;
  #got: Buffer = NO_BYTES;
  #wanted: { readonly resolve: (body: Buffer) => void; readonly reject: (error: Error) => void } | null = null;

  static async open(url: string): Promise<HttpLane> {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    await once(socket, 'connect');
    return new HttpLane(socket);
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (bytes: Buffer) => {
      this.#got = this.#got.length === 0 ? bytes : Buffer.concat([this.#got, bytes]);
      this.#look();
    });
    socket.on('close', () => this.#wanted?.reject(new Error('the site closed the connection')));
    socket.on('error', (error) => this.#wanted?.reject(error));
  }

  /** The body of the answer. @throws {Error} of any status but 200 */
  ask(request: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#wanted = { resolve, reject };
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#wanted = null;
    this.#socket.destroy();
  }

  #look(): void {
    const end = this.#got.indexOf(HEAD_END);
    if (end === -1 || this.#wanted === null) return;
    const head = this.#got.toString('latin1', 0, end).toLowerCase();
    const from = end + HEAD_END.length;
    const length = /content-length: (\d+)/.exec(head)?.[1];
    if (length === undefined) throw new Error(`an answer without its length: ${head}`);
    const to = from + Number(length);
    if (this.#got.length < to) return;
    const body = this.#got.subarray(from, to);
    const { resolve, reject } = this.#wanted;
    this.#wanted = null;
    this.#got = NO_BYTES;
    if (head.startsWith('http/1.1 200')) resolve(body);
    else reject(new Error(`${head.split('\r\n')[0]}: ${body.toString('utf8').slice(0, 300)}`));
  }
}
