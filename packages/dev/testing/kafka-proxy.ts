/** For tests: a TCP proxy before one broker that loses and spoils answers and cuts connections as told. */

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

const PRODUCE = 0;

/** A proxy on a port of its own; its fields say what happens to the next Produce, and disposing it cuts everything. */
export class KafkaProxy implements AsyncDisposable {
  /** True: the next Produce request reaches the broker, and when the answer comes the connection is cut instead. */
  losesNextAppendAnswer = false;
  /** Set: the length that the next Produce request's answer begins with is this one instead. */
  spoilsNextAppendLength: number | null = null;
  /** False: connections are cut as soon as they are made. */
  isOpen = true;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #brokerPort: number;

  private constructor(server: Server, brokerPort: number) {
    this.#server = server;
    this.#brokerPort = brokerPort;
  }

  static async start(brokerPort: number): Promise<KafkaProxy> {
    const server = createServer();
    const proxy = new KafkaProxy(server, brokerPort);
    server.on('connection', (client) => (proxy.isOpen ? proxy.#carry(client) : client.destroy()));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  #carry(client: Socket): void {
    const broker = connect(this.#brokerPort, '127.0.0.1');
    let isDoomed = false;
    let spoilt: number | null = null;
    for (const socket of [client, broker]) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#sockets.delete(socket);
        client.destroy();
        broker.destroy();
      });
    }
    client.on('data', (request) => {
      // Requests of one lane come one at a time, so a chunk that begins one has its API key at 4.
      if (request.length > 6 && request.readInt16BE(4) === PRODUCE) {
        isDoomed ||= this.losesNextAppendAnswer;
        this.losesNextAppendAnswer = false;
        spoilt = this.spoilsNextAppendLength;
        this.spoilsNextAppendLength = null;
      }
      broker.write(request);
    });
    broker.on('data', (answer) => {
      if (spoilt !== null) answer.writeInt32BE(spoilt, 0);
      spoilt = null;
      if (isDoomed) client.destroy();
      else client.write(this.#withOwnPort(answer));
    });
  }

  /** Brokers tell clients their own address in metadata; behind a proxy that has to be the proxy's. */
  #withOwnPort(answer: Buffer): Buffer {
    const port = Buffer.alloc(4);
    port.writeInt32BE(this.#brokerPort);
    const at = answer.indexOf(Buffer.concat([Buffer.from('127.0.0.1'), port]));
    if (at < 0) return answer;
    const changed = Buffer.from(answer);
    changed.writeInt32BE(this.port, at + '127.0.0.1'.length);
    return changed;
  }

  /** Cuts every connection there is; new ones may be made. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.cut();
  }
}
