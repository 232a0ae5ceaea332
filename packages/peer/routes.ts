/**
 * Every route that one site asks another one by: its path, its time-out, what it takes and what it answers. Whoever serves
 * one and whoever asks read it from here.
 */

import { registerAnswer, registerRequest } from '@tidemark/control/consensus/register-json';
import type { z } from 'zod';
import * as shapes from './shapes.ts';

/** Where sites talk to each other: nobody else has to. */
export const INTERNAL = '/v1/internal/';

/** A question and its answer. */
export type Route<Asked = unknown, Answer = unknown> = {
  /** GET: what is asked stands behind the `?`. POST: it is the body, as JSON. */
  readonly method: 'GET' | 'POST';
  /** With `:name` where a parameter stands. */
  readonly path: string;
  /** Longest wait for the answer; of a stream, for its next line. */
  readonly timeoutMs: number;
  readonly asks: z.ZodType<Asked>;
  /** Of a stream: a line of it. */
  readonly tells: z.ZodType<Answer>;
};

/** What is asked by a route, and what a right answer to it is. */
export type Answer<R> = R extends { readonly tells: z.ZodType<infer T> } ? T : never;

function get<A, T>(path: string, timeoutMs: number, asks: z.ZodType<A>, tells: z.ZodType<T>) {
  return { method: 'GET', path, timeoutMs, asks, tells } as const;
}

function post<A, T>(path: string, timeoutMs: number, asks: z.ZodType<A>, tells: z.ZodType<T>) {
  return { method: 'POST', path, timeoutMs, asks, tells } as const;
}

const of = (name: string): string => `${INTERNAL}${name}/:keyspace`;

/** Questions with one answer. */
export const ROUTES = {
  copies: get(of('copies'), 5_000, shapes.NOTHING, shapes.COPIES),
  allCopies: post(`${INTERNAL}copies`, 5_000, shapes.KEYSPACES_ASKED, shapes.ALL_COPIES),
  fence: post(of('fence'), 3_000, shapes.FENCE_ASKED, shapes.FENCED),
  /** A fill gives up after 10 s by itself. */
  fill: post(of('fill'), 12_000, shapes.FILL_ASKED, shapes.FILLED),
  applied: get(of('positions'), 5_000, shapes.NOTHING, shapes.APPLIED),
  nominate: post(of('nominate'), 2_000, shapes.NOMINATION, shapes.NOMINATED),
  standing: get(of('standing'), 1_000, shapes.NOTHING, shapes.STANDING),
  abdicate: post(of('abdicate'), 3_000, shapes.ABDICATION, shapes.ABDICATED),
  resume: post(of('abdicate'), 3_000, shapes.ABDICATION, shapes.RESUMED),
  /** A target may look through a long term. */
  loss: post(of('loss'), 15_000, shapes.LOSS_ASKED, shapes.LOSSES),
  healthVote: get(of('healthVote'), 700, shapes.NOTHING, shapes.HEALTH_VOTE),
  sight: get(of('sight'), 1_500, shapes.NOTHING, shapes.SIGHT),
  /** Given up soon: several are under way at once, so that one that hangs keeps none back. */
  ping: get(`${INTERNAL}ping`, 1_000, shapes.PING_ASKED, shapes.PING),
  register: post(of('register'), 1_000, registerRequest, registerAnswer),
  /** As `read` at each one's `register`. */
  registers: post(`${INTERNAL}registers`, 1_000, shapes.KEYSPACES_ASKED, shapes.REGISTERS),
  /** Reading everything may take long. */
  digest: get(of('digest'), 600_000, shapes.DIGEST_ASKED, shapes.DIGESTS),
  held: post(of('digest'), 600_000, shapes.HELD_ASKED, shapes.HELD),
  /** The same address as `applied`. */
  lag: get(of('positions'), 5_000, shapes.NOTHING, shapes.LAG),
  lags: get('/v1/status', 1_500, shapes.NOTHING, shapes.LAGS),
  history: get('/v1/history', 1_500, shapes.NOTHING, shapes.HISTORY),
  decision: get('/v1/history/:id', 2_000, shapes.NOTHING, shapes.TOLD_DECISION),
  write: post('/v1/:keyspace/:table/rows', 10_000, shapes.ROWS, shapes.WRITTEN),
} as const satisfies Readonly<Record<string, Route>>;

/** Questions whose answer is lines, one JSON object each, until whoever asked has enough or the other side ends it. */
export const STREAMS = {
  durable: { ...get(`${of('durable')}/:origin`, 5_000, shapes.COUNTED, shapes.DURABLE) },
  /** Between two records beyond the epoch ends any number may have to be read: that it goes on is said meanwhile. */
  beyond: { ...get(`${of('tail')}/:origin`, 5_000, shapes.NOTHING, shapes.BEYOND) },
} as const;

/** The address of what is asked: parameters filled in, and the query behind the `?`. */
export function addressOf(
  place: string,
  path: string,
  parameters: Readonly<Record<string, string>>,
  query: Readonly<Record<string, string>> = {},
): string {
  const filled = path.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(parameters[name]!));
  const search = new URLSearchParams(query).toString();
  return `${place}${filled}${search === '' ? '' : `?${search}`}`;
}
