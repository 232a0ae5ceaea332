/**
 * The register's value, requests and answers as JSON that others sent or that a topic holds: read, never trusted. Every
 * number is one that a control record can hold, every text and list has a longest form.
 */

import { z } from 'zod';
import { type Ballot, COUNTER_MAX } from './ballot.ts';
import type { LossRule } from './loss-rule.ts';
import type { Accepted, RegisterAnswer, RegisterRequest } from './register-request.ts';
import { CHANGES_KEPT, type RegisterValue } from './register-value.ts';

/** Epochs, versions and seqs: far above what is ever reached, far below where adding one loses it. */
const NUMBER_MAX = 2 ** 48;
const SITES_MAX = 255;
const PARTITIONS_MAX = 1_024;
/** The newest, and what each site's next epoch has to name. */
const TERMS_LENGTH_MAX = 4_096;
const ID_LENGTH_MAX = 200;
/** In words, for people. */
export const REASON_LENGTH_MAX = 4_096;

/** A whole number that a record can hold, with something added to it too. */
export const counted = z.int().min(0).max(NUMBER_MAX);
/** The same, or −1 for nothing. */
export const seqNumber = z.int().min(-1).max(NUMBER_MAX);
/** A name, an identity, a writer's id. */
export const idText = z.string().max(ID_LENGTH_MAX);
/** A reason in words, of bounded length. */
export const reasonText = z.string().max(REASON_LENGTH_MAX);
/** Wall time in ms. */
const wallMs = z.number().min(-8.64e15).max(8.64e15);
/** Where a term ends in a partition. */
export const epochEndAt = z.looseObject({ seq: seqNumber, chain: z.string().max(128) });
/** By partition. */
export const epochEndsOf = z.array(epochEndAt).max(PARTITIONS_MAX);
/** What an operator is ready to lose. */
const counts = z.array(seqNumber).max(PARTITIONS_MAX);
/** What was last heard of a lost primary, in bounded numbers: last known progress, which a loss is counted by. */
export const heardSchema = z.object({ heads: counts, rows: counts, unheardRows: counted });
/** The loss an operator accepts in an election: the most rows, and by what they are counted. */
export const lossSchema = z.object({
  rowsMax: z.number().min(0).max(NUMBER_MAX),
  mode: z.enum(['consistent', 'received']),
  heard: heardSchema.nullable().default(null),
}) satisfies z.ZodType<LossRule>;

const ballot: z.ZodType<Ballot> = z.object({
  counter: z.int().min(0).max(COUNTER_MAX),
  site: idText,
  process: idText,
});
const siteIds = z.record(idText, idText).refine((ids) => Object.keys(ids).length <= SITES_MAX);
const term = z.looseObject({ epoch: counted, site: idText, writerId: idText, epochEnds: epochEndsOf.nullable() });
const member = z.looseObject({ site: idText, state: z.enum(['ACTIVE', 'RECOVERING']), logIds: siteIds });
const election = z.looseObject({
  epoch: counted,
  site: idText,
  writerId: idText,
  cause: z.enum(['start', 'suspicion', 'switchover', 'failover', 'takeover']),
  reason: reasonText,
  beganMs: wallMs,
  loss: lossSchema.nullable(),
});

/** What it does not know of a value it keeps: a newer version's field is not lost by passing through an older one. */
const value = z.looseObject({
  keyspace: idText,
  version: counted,
  changeId: idText,
  changes: z.array(idText).max(CHANGES_KEPT),
  acceptors: siteIds,
  election: election.nullable(),
  nextEpoch: counted,
  ack: z.looseObject({ name: z.enum(['local', 'sync']), k: z.int().min(0).max(SITES_MAX) }),
  failover: z.enum(['automatic', 'manual']),
  degradeTo: z.int().min(0).max(SITES_MAX),
  members: z.array(member).max(SITES_MAX),
  witnesses: z.array(idText).max(SITES_MAX),
  terms: z.array(term).max(TERMS_LENGTH_MAX),
  lastFailover: z.looseObject({ epoch: counted, atMs: wallMs }).nullable(),
  paused: z.boolean(),
}) satisfies z.ZodType<RegisterValue>;

const accepted: z.ZodType<Accepted> = z.object({ ballot, value });

/** What an acceptor answers. */
export const registerAnswer: z.ZodType<RegisterAnswer> = z.object({
  acceptor: idText,
  ok: z.boolean(),
  reason: z.string().nullable(),
  promised: ballot,
  accepted: accepted.nullable(),
});

/** What is asked of an acceptor. */
export const registerRequest: z.ZodType<RegisterRequest> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('prepare'), ballot }),
  z.object({ kind: z.enum(['accept', 'chosen']), ballot, value }),
  z.object({ kind: z.literal('read') }),
  z.object({ kind: z.literal('lease'), epoch: counted, writerId: idText }),
]);

/** The value in a text, or null when it is none. */
export function parseRegisterValue(json: string): RegisterValue | null {
  try {
    return value.safeParse(JSON.parse(json)).data ?? null;
  } catch {
    return null;
  }
}
