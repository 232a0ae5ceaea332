/** The HTTP server of a site: what holds for every route. Problems, request ids, probes for load balancers. */

import { parseExactJson } from '@tidemark/model/text/exact-json';
import { textOfUtf8 } from '@tidemark/model/text/utf8';
import { INTERNAL } from '@tidemark/peer/routes';
import { Fault, isFault, messageOf } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import type { Random } from '@tidemark/platform/random';
import { nextTurn } from '@tidemark/store/row/turn';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { checkCaller } from './callers.ts';
import { CLIENT_LIMITS, type ConnectionLimits, Connections } from './connections.ts';
import { HTTP_OPTIONS, refuseUnread } from './listen.ts';
import { problemHeaders, problemOf } from './problem.ts';
import { checkParameters } from './query-parameters.ts';

/** Four key parts of 1 KiB fit, each byte percent-encoded. */
const PARAMETER_LENGTH_MAX = 4 * 3 * 1024;
const REQUEST_ID = /^[\w.:-]{1,64}$/;
const REQUEST_ID_HEADER = 'x-request-id';
const SHOWN_LENGTH = 200;
/** A body that takes about a millisecond to be read. */
const LARGE_BODY_BYTES = 64 * 1024;
/** The one that takes rows as they come. */
const ROWS_ROUTE = '/v1/:keyspace/:table/rows';
/** Those that are asked by POST and change nothing. */
const READS_BY_POST = ['/v1/:keyspace/:table/scan', '/v1/:keyspace/:table/rows/get'];

/** What the server needs of the site, and what it tells it. */
export type HttpParts = {
  readonly random: Random;
  readonly logger: Logger;
  /** A request that met a broken invariant ends the process. */
  readonly onFatal: (error: unknown) => void;
  /** Why no request is taken any more; null while all is well. */
  readonly refusal: () => string | null;
  readonly onAnswered: (route: string, status: number, ms: number) => void;
  readonly bodyBytesMax: number;
  /** Left out: those of a site to which nothing is stated. */
  readonly limits?: ConnectionLimits;
  /** Names under which this site is asked, in lower case; addresses and localhost need none. */
  readonly hosts: ReadonlySet<string>;
};

/** A server without routes, not listening yet. */
export function createHttp(parts: HttpParts): FastifyInstance {
  const app = fastify({
    http: HTTP_OPTIONS,
    clientErrorHandler: (error, socket) => refuseUnread(error, socket),
    frameworkErrors: (error, request, reply) =>
      fail(new Fault('invalid', error.message, { got: request.url.slice(0, SHOWN_LENGTH) }), request, reply),
    logger: false,
    bodyLimit: parts.bodyBytesMax,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: PARAMETER_LENGTH_MAX },
    requestIdHeader: false,
    genReqId: (request) => {
      const given = request.headers[REQUEST_ID_HEADER];
      return typeof given === 'string' && REQUEST_ID.test(given) ? given : parts.random.id();
    },
  });
  const fail = (error: unknown, request: FastifyRequest, reply: FastifyReply): void => {
    const problem = problemOf(error, request.id);
    logIfOurs(parts, error, request, problem.status);
    const body = Buffer.from(JSON.stringify(problem));
    void reply
      .code(problem.status)
      .headers(problemHeaders(error, problem, request.url))
      .send(body);
    if (isAssertion(error)) parts.onFatal(error);
  };
  app.setErrorHandler((error, request, reply) => fail(error, request, reply));
  app.setNotFoundHandler((request, reply) => {
    const message = `no route ${request.method} ${request.url}`;
    fail(new Fault('notFound', message, { got: request.url }), request, reply);
  });
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer' },
    async (_request: FastifyRequest, body: Buffer) => {
      // However many large ones come at once, others have their turn between them.
      if (body.length <= LARGE_BODY_BYTES) return parseJson(textOfUtf8(body, 'body'));
      await nextTurn();
      const value = parseJson(textOfUtf8(body, 'body'));
      // What is made of it takes as long again.
      await nextTurn();
      return value;
    },
  );
  new Connections(parts.logger, parts.limits ?? CLIENT_LIMITS).watch(app.server, app);
  app.addHook('onRequest', async (request, reply) => {
    reply.header(REQUEST_ID_HEADER, request.id);
    checkCaller(request, parts.hosts);
    const connections = Connections.of(request.raw.socket);
    connections?.checkTurn(request.raw);
    if (!isNdjson(request)) connections?.admitBody(request.raw, reply.raw);
    else if (request.routeOptions.url !== undefined && request.routeOptions.url !== ROWS_ROUTE) throw notJson(request);
    const refusal = isProbe(request) ? null : parts.refusal();
    if (refusal !== null) throw new Fault('unavailable', refusal, { retryAfterMs: 1_000 });
    // What is read for nobody is not even begun.
    if (isRead(request)) connections?.checkRoom(0);
  });
  app.addHook('onSend', (request, reply, payload, done) => {
    const isWhole = typeof payload === 'string' || payload instanceof Uint8Array;
    const connections = Connections.of(request.raw.socket);
    if (!isWhole || connections === undefined) return done();
    const bytes = Buffer.byteLength(payload);
    try {
      if (reply.statusCode < 400 && isRead(request)) connections.checkRoom(bytes);
      connections.holdAnswer(request.raw, reply.raw, bytes);
      done();
    } catch (error) {
      done(error as Error);
    }
  });
  app.addHook('onRequest', async ({ method, routeOptions, query }) => {
    if (routeOptions.url === undefined) return;
    checkParameters(method, routeOptions.url, query as Readonly<Record<string, unknown>>);
  });
  app.addHook('onResponse', async (request, reply) => {
    parts.onAnswered(request.routeOptions.url ?? 'none', reply.statusCode, reply.elapsedTime);
  });
  return app;
}

/** `"__proto__":`, with any of its letters escaped: such a property could become a prototype when it is copied. */
const PROTO =
  /"(?:_|\\u005f){2}(?:p|\\u0070)(?:r|\\u0072)(?:o|\\u006f)(?:t|\\u0074)(?:o|\\u006f)(?:_|\\u005f){2}"\s*:/i;

/** @throws {Fault} `invalid`: says where the text stops being JSON, or that it names `__proto__`. */
function parseJson(text: string): unknown {
  try {
    const value = parseExactJson(text);
    if (PROTO.test(text)) throw new SyntaxError('a property named __proto__');
    return value;
  } catch (error) {
    throw new Fault('invalid', `body is not JSON: ${messageOf(error)}`, { got: text.slice(0, 80), cause: error });
  }
}

function notJson({ headers }: FastifyRequest): Fault {
  const got = headers['content-type'];
  const expected = 'application/json';
  return new Fault('unsupported', `body is ${got}, expected ${expected}`, { got, expected });
}

/** Rows that are taken as they come are never held whole. */
function isNdjson({ headers }: FastifyRequest): boolean {
  return headers['content-type']?.toLowerCase().includes('ndjson') === true;
}

function isProbe(request: FastifyRequest): boolean {
  return ['/livez', '/readyz', '/primary', '/metrics'].includes(request.routeOptions.url ?? '');
}

/** What a client asks for that may be refused although it was done. */
function isRead(request: FastifyRequest): boolean {
  const { url = '' } = request.routeOptions;
  if (request.method === 'GET') return !isProbe(request) && !url.startsWith(INTERNAL);
  return READS_BY_POST.includes(url);
}

/** What the caller did wrong is the caller's to know; what is wrong here is logged, once. */
function logIfOurs(parts: HttpParts, error: unknown, request: FastifyRequest, status: number): void {
  if (status !== 500) return;
  const fields = { requestId: request.id, method: request.method, url: request.url, err: error };
  parts.logger.error(fields, `request failed: ${messageOf(error)}`);
}

function isAssertion(error: unknown): boolean {
  return !isFault(error) && (error as { readonly code?: unknown } | null)?.code === 'ERR_ASSERTION';
}

type Probes = {
  /** What is still missing before this site can serve; empty when nothing is. */
  readonly missing: () => readonly string[];
  /** True where rows of this keyspace, or of every keyspace, are written here. Null: no such keyspace. */
  readonly writable: (keyspace: string | null) => boolean | null;
  /** The epoch in which this site writes the keyspace; null when it does not. */
  readonly epochOf: (keyspace: string) => number | null;
  readonly metrics: () => Promise<{ readonly type: string; readonly text: string }>;
  readonly site: string;
};

/**
 * `/livez` `/readyz` `/primary` `/metrics`. `/primary?keyspace=NAME` asks for one keyspace, and tells the epoch: of two
 * sites that call themselves primary, as happens while one of them does not know yet, the one of the later epoch is.
 */
export function registerProbes(app: FastifyInstance, { missing, writable, epochOf, metrics, site }: Probes): void {
  app.get('/livez', async () => ({ alive: true, site }));
  app.get('/readyz', async () => {
    const waiting = missing();
    if (waiting.length > 0) throw new Fault('unavailable', `site ${site} is not ready: ${waiting.join('; ')}`);
    return { ready: true, site };
  });
  app.get<{ Querystring: { keyspace?: string } }>('/primary', async (request) => {
    const { keyspace } = request.query;
    const here = writable(keyspace ?? null);
    if (here === null) throw new Fault('notFound', `no keyspace "${keyspace}"`, { got: keyspace });
    const what = keyspace === undefined ? 'every keyspace' : `keyspace ${keyspace}`;
    if (!here) throw new Fault('unavailable', `site ${site} is not the primary of ${what}`);
    return { primary: true, site, ...(keyspace === undefined ? {} : { epoch: epochOf(keyspace) }) };
  });
  app.get('/metrics', async (_request, reply) => {
    const { type, text } = await metrics();
    return reply.type(type).send(text);
  });
}
