/** The register's value, requests and answers as JSON that others sent or that a topic holds: read, never trusted. */

import { z } from 'zod';
import type { Accepted, RegisterAnswer, RegisterRequest } from './acceptor.ts';
import type { Ballot } from './ballot.ts';
import type { LossRule, RegisterValue } from './register-value.ts';

const whole = z.int().min(0);
const text = z.string();
const ballot: z.ZodType<Ballot> = z.object({ counter: whole, site: text, process: text });
const cutAt = z.looseObject({ seq: z.int().min(-1), chain: text });
const reign = z.looseObject({ epoch: whole, site: text, writerId: text, cuts: z.array(cutAt).nullable() });
const member = z.looseObject({ site: text, state: z.enum(['ACTIVE', 'REBUILD']), logIds: z.record(text, text) });
const counts = z.array(z.int().min(-1));
export const heardSchema = z.object({ heads: counts, rows: counts, unheardRows: whole });
export const lossSchema = z.object({
  rowsMax: z.number().min(0),
  mode: z.enum(['consistent', 'received']),
  heard: heardSchema.nullable().default(null),
}) satisfies z.ZodType<LossRule>;
const election = z.looseObject({
  epoch: whole,
  site: text,
  writerId: text,
  cause: z.enum(['start', 'suspicion', 'switchover', 'failover', 'takeover']),
  reason: text,
  beganMs: z.number(),
  loss: lossSchema.nullable(),
});

/** What it does not know of a value it keeps: a newer version's field is not lost by passing through an older one. */
const value = z.looseObject({
  keyspace: text,
  version: whole,
  changeId: text,
  changes: z.array(text),
  acceptors: z.record(text, text),
  election: election.nullable(),
  nextEpoch: whole,
  ack: z.looseObject({ name: z.enum(['local', 'sync']), k: whole }),
  failover: z.enum(['automatic', 'manual']),
  degradeTo: whole,
  members: z.array(member),
  witnesses: z.array(text),
  reigns: z.array(reign),
  lastFailover: z.looseObject({ epoch: whole, atMs: z.number() }).nullable(),
  paused: z.boolean(),
}) satisfies z.ZodType<RegisterValue>;

const accepted: z.ZodType<Accepted> = z.object({ ballot, value });

const answer: z.ZodType<RegisterAnswer> = z.object({
  acceptor: text,
  ok: z.boolean(),
  reason: text.nullable(),
  promised: ballot,
  accepted: accepted.nullable(),
});

const request: z.ZodType<RegisterRequest> = z.union([
  z.object({ kind: z.literal('prepare'), ballot }),
  z.object({ kind: z.enum(['accept', 'chosen']), ballot, value }),
  z.object({ kind: z.literal('read') }),
  z.object({ kind: z.literal('lease'), epoch: whole, writerId: text }),
]);

/** The value in a text, or null when it is none. */
export function parseRegisterValue(json: string): RegisterValue | null {
  try {
    return value.safeParse(JSON.parse(json)).data ?? null;
  } catch {
    return null;
  }
}

/** The answer in a body, or null when it is none. */
export function parseRegisterAnswer(body: unknown): RegisterAnswer | null {
  return answer.safeParse(body).data ?? null;
}

/** The request in a body, or null when it is none. */
export function parseRegisterRequest(body: unknown): RegisterRequest | null {
  return request.safeParse(body).data ?? null;
}
