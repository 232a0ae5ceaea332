/** For tests: a TCP proxy that can be cut, as a network is cut: what is on its way stays there, and nobody is told. */

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/**
 * - `silent`: bytes stop on their way, new connections are taken and nothing comes back, as when packets are lost
 * - `refuse`: connections are closed, and new ones as soon as they are made, as when a process is gone
 */
export type CutKind = 'silent' | 'refuse';

type Pair = { readonly client: Socket; readonly target: Socket };

/** One loopback port that leads to another, which may be set anew while it runs. */
export class TcpProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  #targetPort = 0;
  #cut: CutKind | null = null;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Listens at a port of its own; until it is aimed it refuses. */
  static async start(): Promise<TcpProxy> {
    const server = createServer({ allowHalfOpen: true });
    const proxy = new TcpProxy(server);
    server.on('connection', (client) => proxy.#accept(client));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get isCut(): boolean {
    return this.#cut !== null;
  }

  /** Says where it leads; connections that exist are not moved. */
  aim(port: number): void {
    this.#targetPort = port;
  }

  cut(how: CutKind): void {
    if (this.#cut === how) return;
    this.#cut = how;
    for (const pair of this.#pairs) how === 'refuse' ? end(pair) : hold(pair);
  }

  /** Carries again; what was held goes on as if nothing had been. */
  heal(): void {
    // A pair that carries already must not be told twice: every byte would arrive twice.
    if (this.#cut === null) return;
    this.#cut = null;
    for (const pair of this.#pairs) carry(pair);
  }

  #accept(client: Socket): void {
    client.on('error', () => {});
    if (this.#cut === 'refuse' || this.#targetPort === 0) {
      client.destroy();
      return;
    }
    const target = connect({ port: this.#targetPort, host: '127.0.0.1', allowHalfOpen: true });
    const pair = { client, target };
    this.#pairs.add(pair);
    target.on('error', () => client.resetAndDestroy());
    for (const socket of [client, target]) {
      socket.once('close', () => {
        this.#pairs.delete(pair);
        end(pair);
      });
    }
    if (this.#cut === null) carry(pair);
    else hold(pair);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const pair of this.#pairs) end(pair);
  }
}

function carry({ client, target }: Pair): void {
  client.pipe(target);
  target.pipe(client);
}

function hold({ client, target }: Pair): void {
  for (const [from, to] of [
    [client, target],
    [target, client],
  ] as const) {
    from.unpipe(to);
    from.pause();
  }
}

function end({ client, target }: Pair): void {
  client.destroy();
  target.destroy();
}
