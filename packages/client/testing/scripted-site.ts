/** A site for tests: a small HTTP server that keeps rows in memory and misbehaves as its script says. */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { keyParts, segmentsOfRow } from '@tidemark/model/text/key-path';

/**
 * What happens to a write:
 * - `ok`: stored and acked
 * - `busy`: 503, not stored
 * - `away`: 503, not stored, and asks to wait longer than anybody does
 * - `stored504`, `lost504`: 504, and it is or is not stored
 * - `storedDrop`, `lostDrop`: the connection closes without an answer, and it is or is not stored
 * - `storedCut`: stored; the answer stops before its last line or brace
 * - `fenced`: 409
 * - `refused`: 400
 * - `forgotten`: 422, not stored: its key is too old to tell
 * - `allBad`: 200, and every line of it is refused
 * - `elsewhere`: 307 to `redirectTo`
 * - `storedSilent`, `lostSilent`: no answer ever, and it is or is not stored
 */
export type Behaviour =
  | 'ok'
  | 'busy'
  | 'away'
  | 'stored504'
  | 'lost504'
  | 'storedDrop'
  | 'lostDrop'
  | 'storedCut'
  | 'fenced'
  | 'refused'
  | 'forgotten'
  | 'allBad'
  | 'elsewhere'
  | 'storedSilent'
  | 'lostSilent';

const STORES: ReadonlySet<Behaviour> = new Set(['ok', 'stored504', 'storedDrop', 'storedCut', 'storedSilent']);

type Row = Record<string, unknown>;

/**
 * An HTTP server on a port of its own that answers as a site does, until its script says otherwise; disposing it ends
 * it.
 */
export class ScriptedSite implements AsyncDisposable {
  readonly #server = createServer((request, response) => void this.#answer(request, response));
  readonly name: string;
  /** What the next writes meet; `ok` once it is used up. */
  script: Behaviour[] = [];
  redirectTo = '';
  /** The name of the site that a redirect speaks of. */
  redirectName = '';
  isPrimary = true;
  /** Of its term; null: it does not tell. */
  epoch: number | null = null;
  /** True: nothing at all is answered. */
  isSilent = false;
  /** How the next scans end. */
  scanEnd: 'whole' | 'noEnd' | 'error' | 'short' | 'broken' = 'whole';
  /** Columns of the key; a row's place is their values. */
  key = ['k'];
  /** What `GET /v1/keyspaces/…` answers. */
  keyspaceFile: unknown = null;
  keyspaces = ['travel'];
  /** What any other request meets: `POST /v1/jobs` → status and body, an object or the text of several lines. */
  readonly routes = new Map<string, { readonly status: number; readonly body: object | string }>();
  /** Bodies of the requests that met a route, in order. */
  readonly asked: { readonly route: string; readonly body: unknown }[] = [];
  readonly rows = new Map<string, Row>();
  /** False: the site answers reads of rows as one that has no such table. */
  hasTable = true;
  /** Idempotency key → how often it was stored; more than once never happens. */
  readonly stored = new Map<string, number>();
  /** Every write request's idempotency key, in order of arrival. */
  readonly seenKeys: string[] = [];
  readonly headers: IncomingMessage['headers'][] = [];
  /** Requests whose caller went away before they were answered. */
  abandoned = 0;
  #seq = 0;

  constructor(name = 'paris') {
    this.name = name;
  }

  static async start(name?: string): Promise<ScriptedSite> {
    const site = new ScriptedSite(name);
    await new Promise<void>((resolve) => site.#server.listen(0, '127.0.0.1', resolve));
    return site;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Resolves once so many write requests have come. */
  async hasSeen(count: number): Promise<void> {
    await until(() => this.seenKeys.length >= count);
  }

  /** Resolves once so many callers have gone away. */
  async wasLeft(count: number): Promise<void> {
    await until(() => this.abandoned >= count);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.once('close', () => {
      if (!response.writableEnded) this.abandoned++;
    });
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString();
    this.headers.push(request.headers);
    if (this.isSilent) return;
    const url = new URL(request.url!, this.url);
    const path = `${request.method} ${url.pathname}`;
    // By what stands behind the `?` too, where the script says so.
    const route = this.routes.has(path + url.search) ? path + url.search : path;
    const routed = this.routes.get(route);
    if (routed !== undefined) {
      this.asked.push({ route, body: body === '' ? null : JSON.parse(body) });
      if (typeof routed.body === 'string') response.writeHead(routed.status).end(routed.body);
      else reply(response, routed.status, routed.body);
    } else if (url.pathname === '/primary') {
      response.writeHead(this.isPrimary ? 200 : 503).end(JSON.stringify({ epoch: this.epoch ?? undefined }));
    } else if (url.pathname === '/v1/status') {
      reply(response, 200, { site: this.name, keyspaces: this.keyspaces.map((keyspace) => ({ keyspace })) });
    } else if (url.pathname.startsWith('/v1/keyspaces/')) {
      reply(response, 200, this.keyspaceFile);
    } else if (url.pathname.endsWith('/scan')) {
      this.#scan(response);
    } else if (request.method === 'POST') {
      this.#write(request, body, response);
    } else {
      this.#get(url, response);
    }
  }

  #write(request: IncomingMessage, body: string, response: ServerResponse): void {
    const behaviour = this.script.shift() ?? 'ok';
    const id = String(request.headers['idempotency-key']);
    this.seenKeys.push(id);
    const ndjson = String(request.headers['content-type']).includes('ndjson');
    const rows: Row[] = ndjson
      ? body
          .split('\n')
          .filter((line) => line !== '')
          .map((line) => JSON.parse(line) as Row)
      : (JSON.parse(body) as { rows: Row[] }).rows;
    if (STORES.has(behaviour) && !this.stored.has(id)) {
      this.stored.set(id, 1);
      this.#seq++;
      for (const row of rows) this.rows.set(JSON.stringify(this.key.map((column) => row[column])), row);
    }
    const token = `travel/${this.name}/0=1:${Math.max(1, this.#seq)}`;
    const answer = ndjson
      ? `{"batch":0,"lines":[1,${rows.length}],"accepted":${rows.length},"token":"${token}"}\n{"done":true,"accepted":${rows.length},"rejected":0,"ack":"sync(1)"}\n`
      : JSON.stringify({ accepted: rows.length, rejected: 0, ack: 'sync(1)', token, errors: [] });
    const type = { 'content-type': ndjson ? 'application/x-ndjson' : 'application/json' };
    switch (behaviour) {
      case 'ok':
        response.writeHead(200, type).end(answer);
        return;
      case 'storedCut':
        response.writeHead(200, type).end(answer.slice(0, answer.trimEnd().lastIndexOf(ndjson ? '\n' : ',')));
        return;
      case 'storedDrop':
      case 'lostDrop':
        request.socket.destroy();
        return;
      case 'busy':
        reply(response, 503, { kind: 'unavailable', detail: `${this.name} is busy` });
        return;
      case 'away':
        reply(response, 503, { kind: 'unavailable', detail: `${this.name} is away`, retryAfterMs: 3_600_000 });
        return;
      case 'stored504':
      case 'lost504':
        reply(response, 504, { kind: 'unknown', detail: `${this.name} does not know` });
        return;
      case 'fenced':
        reply(response, 409, { kind: 'fenced', detail: `${this.name} was fenced` });
        return;
      case 'forgotten':
        reply(response, 422, { kind: 'keyForgotten', detail: 'the key is too old' });
        return;
      case 'refused':
        reply(response, 400, { kind: 'invalid', detail: 'column delay: "x", expected int', column: 'delay' });
        return;
      case 'allBad': {
        const bad = rows.map((_, i) => JSON.stringify({ line: i + 1, error: { kind: 'invalid', detail: 'no key' } }));
        const batch = { batch: 0, lines: [1, rows.length], accepted: 0, token: `travel/${this.name}/` };
        const done = { done: true, accepted: 0, rejected: rows.length };
        response.writeHead(200, type).end(`${[...bad, JSON.stringify(batch), JSON.stringify(done)].join('\n')}\n`);
        return;
      }
      case 'elsewhere':
        response.setHeader('location', `${this.redirectTo}${request.url}`);
        reply(response, 307, { kind: 'notLeader', detail: 'not the primary', expected: this.redirectName });
        return;
      case 'storedSilent':
      case 'lostSilent':
    }
  }

  #scan(response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    const lines = [...this.rows.values()].map((row) => JSON.stringify(row));
    const end = { rows: lines.length, scanned: lines.length, ms: 1, asOf: null };
    const all = lines.map((line) => `${line}\n`).join('');
    if (this.scanEnd === 'whole') response.end(`${all}${JSON.stringify({ $end: end })}\n`);
    else if (this.scanEnd === 'noEnd') response.end(all);
    else if (this.scanEnd === 'short') response.end(`${JSON.stringify({ $end: end })}\n`);
    else if (this.scanEnd === 'error') {
      response.end(`${all}${JSON.stringify({ $error: { kind: 'corrupt', detail: 'seg-1, delay.col' } })}\n`);
    } else {
      response.write(all, () => response.destroy());
    }
  }

  #get(url: URL, response: ServerResponse): void {
    const parts = keyParts(segmentsOfRow(url.pathname));
    const row = this.rows.get(JSON.stringify(parts));
    if (!this.hasTable) reply(response, 404, { kind: 'notFound', detail: 'keyspace ks has no table "t"' });
    else if (row === undefined) reply(response, 404, { kind: 'notFound', table: 't', detail: 'no such row' });
    else reply(response, 200, row);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5));
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  const type = status < 400 ? 'application/json' : 'application/problem+json';
  response.writeHead(status, { 'content-type': type }).end(JSON.stringify(body));
}
