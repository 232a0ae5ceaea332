/**
 * HTTP without sockets: a request travels over the links, waits at the gate of the process it is for, is answered by
 * that process's own Fastify app, and the answer travels back. Any of it can be lost; then the caller hears nothing.
 */

import { Fault } from '@tidemark/platform/fault';
import type { Answer, Network } from '@tidemark/platform/network';
import type { FastifyInstance } from 'fastify';
import type { Links } from './links.ts';
import type { SimProcess } from './process.ts';
import type { Scheduler } from './scheduler.ts';

export type Server = { readonly process: SimProcess; readonly app: FastifyInstance };

export type Request = {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: object | null;
};

export type Reply = {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: unknown;
};

export class Exchange {
  /** Told of each answer in the moment it leaves the process that gives it. */
  onReply: (site: string, request: Request, reply: Reply) => void = () => {};
  /** Of internal requests, the share that arrives twice. */
  twiceRate = 0;
  readonly #servers = new Map<string, Server>();
  readonly #scheduler: Scheduler;
  readonly #links: Links;
  readonly #chance: () => number;

  constructor(scheduler: Scheduler, links: Links, chance: () => number) {
    this.#scheduler = scheduler;
    this.#links = links;
    this.#chance = chance;
  }

  serve(site: string, server: Server): void {
    this.#servers.set(site, server);
  }

  server(site: string): Server | null {
    const server = this.#servers.get(site);
    return server === undefined || server.process.isDead ? null : server;
  }

  /** @throws {Fault} `unknown`: no answer in time, or nobody there */
  request(from: string, site: string, request: Request, timeoutMs: number): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const what = `${request.method} ${site}${request.path}`;
      const late = this.#scheduler.after(timeoutMs, () =>
        reject(new Fault('unknown', `${what}: no answer in ${timeoutMs} ms`)),
      );
      this.#exchange(from, site, request).then(
        (reply) => {
          late.cancel();
          if (reply === null) reject(refused(what));
          else resolve(reply);
        },
        (error: unknown) => {
          late.cancel();
          reject(error);
        },
      );
    });
  }

  /** @returns null when nobody listens there; never when something of it was lost */
  async #exchange(from: string, site: string, request: Request): Promise<Reply | null> {
    const links = this.#links;
    if (!(await links.carry(from, site, request.path))) await new Promise(() => {});
    const server = this.server(site);
    if (request.path.startsWith('/v1/internal/') && this.#chance() < this.twiceRate && server !== null) {
      this.#scheduler.after(links.ms(from, site, request.path), () => void this.#answer(site, server, request));
    }
    const reply = server === null ? null : await this.#answer(site, server, request);
    if (!(await links.carry(site, from, request.path))) await new Promise(() => {});
    return reply;
  }

  async #answer(site: string, server: Server, { method, path, headers = {}, body = null }: Request): Promise<Reply> {
    const { process, app } = server;
    await new Promise<void>((resolve) => process.deliver(resolve));
    const content = body === null ? {} : { payload: JSON.stringify(body) };
    const type = body === null ? {} : { 'content-type': 'application/json' };
    const response = await app.inject({ method, url: path, headers: { ...headers, ...type }, ...content });
    const reply = { status: response.statusCode, headers: response.headers, body: parsed(response.payload) };
    this.onReply(site, { method, path, headers, body }, reply);
    return reply;
  }

  /** Lines of an answer without end. @throws when it cannot be had, or broke off */
  async *lines(from: string, site: string, path: string, signal: AbortSignal): AsyncGenerator<string> {
    const links = this.#links;
    await links.carrySurely(from, site, signal);
    const server = this.server(site);
    if (server === null || signal.aborted) throw new Error(`GET ${site}${path}: connection refused`);
    const ended = AbortSignal.any([signal, server.process.killed]);
    await atItsGate(server.process, ended);
    // Not `ended` itself: what is destroyed before anyone listens throws its error at the whole program.
    const hangUp = new AbortController();
    const response = await server.app.inject({
      method: 'GET',
      url: path,
      payloadAsStream: true,
      signal: hangUp.signal,
    });
    const stream = response.stream();
    stream.on('error', () => {});
    const end = (): void => hangUp.abort();
    ended.addEventListener('abort', end, { once: true });
    try {
      if (ended.aborted) return;
      if (response.statusCode !== 200) throw new Error(`GET ${site}${path}: status ${response.statusCode}`);
      let rest = '';
      for await (const chunk of stream) {
        await links.carrySurely(site, from, ended);
        const parts = (rest + String(chunk)).split('\n');
        rest = parts.pop()!;
        yield* parts;
      }
    } finally {
      end();
    }
  }
}

/** As the machine of a process that is no more says it. */
function refused(what: string): Fault {
  const cause = Object.assign(new Error('connection refused'), { code: 'ECONNREFUSED' });
  return new Fault('unknown', `${what}: ${cause.message}`, { cause });
}

/** Waits until the process goes on; no longer than until `ended`, as one that is paused may be killed before it does. */
function atItsGate(process: SimProcess, ended: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (ended.aborted) return resolve();
    ended.addEventListener('abort', () => resolve(), { once: true });
    process.deliver(resolve);
  });
}

/** A process's way to the other sites. */
export class SimNetwork implements Network {
  readonly #exchange: Exchange;
  readonly #process: SimProcess;
  readonly #site: string;

  constructor(exchange: Exchange, process: SimProcess, site: string) {
    this.#exchange = exchange;
    this.#process = process;
    this.#site = site;
  }

  async *lines(url: string, signal: AbortSignal): AsyncGenerator<string> {
    const { host, path } = placeOf(url);
    const lines = this.#exchange.lines(this.#site, host, path, AbortSignal.any([signal, this.#process.killed]));
    for (;;) {
      const { done, value } = await this.#process.step(() => lines.next());
      if (done === true) return;
      yield value;
    }
  }

  async ask(url: string, body: object | null, timeoutMs: number): Promise<Answer> {
    const { host, path } = placeOf(url);
    const request: Request = { method: body === null ? 'GET' : 'POST', path, body };
    return this.#process.step(() => this.#exchange.request(this.#site, host, request, timeoutMs));
  }
}

/** `http://paris/v1/…` in its parts. */
export function placeOf(url: string): { readonly host: string; readonly path: string } {
  const [, host, path] = /^http:\/\/([^/]+)(.*)$/.exec(url) ?? [];
  if (host === undefined) throw new Fault('invalid', `url ${url}`, { got: url });
  return { host, path: path! };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text === '' ? null : text;
  }
}
