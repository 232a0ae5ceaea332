/** What sites ask each other and answer, as schemas: read, never trusted. Fields that are not named here pass unseen. */

import { DECISION } from '@tidemark/control/audit/decision';
import type { Heard, LossRule, Mark } from '@tidemark/control/consensus/loss-rule';
import {
  counted,
  epochEndAt,
  epochEndsOf,
  heardSchema,
  idText,
  lossSchema,
  reasonText,
  registerAnswer,
  seqNumber,
} from '@tidemark/control/consensus/register-json';
import type { Cause, EpochEndAt } from '@tidemark/control/consensus/register-value';
import type { Ends } from '@tidemark/control/consensus/vouching';
import type { FenceReport } from '@tidemark/control/failover/election';
import type { LossChoices } from '@tidemark/control/failover/loss';
import type { SiteCopies } from '@tidemark/control/failover/site-copies';
import type { HealthVote } from '@tidemark/control/failover/suspicion';
import { type Position, parsePosition } from '@tidemark/model/position';
import { isFault, messageOf } from '@tidemark/platform/fault';
import { z } from 'zod';

const SITES_MAX = 255;
const PARTITIONS_MAX = 1_024;
/** A comparison holds a site for so long at most. */
const HOLD_MS_MAX = 30_000;
const ENDS_MAX = 65_536;

const chain = epochEndAt.shape.chain;
const count = z.number().min(0);
const silentMs = z.number().nullable();
const words = z.string().nullable();
const position = z.object({ epoch: counted, seq: seqNumber });
const gcWatermark = z.object({ ms: z.int().min(0), counter: z.int().min(0) });
type Positions = Readonly<Record<string, readonly Position[]>>;
/** Origin → position by partition. */
const positions = z.record(idText, z.array(position).max(PARTITIONS_MAX));

const positionText = z.string().transform((text, context): Position => {
  try {
    return parsePosition(text);
  } catch (error) {
    if (!isFault(error)) throw error;
    context.addIssue(messageOf(error));
    return z.NEVER;
  }
});

/** Of a question without parameters. */
export const NOTHING = z.object({});

/** Keyspaces asked for together: more are asked for in turns. */
export const TOGETHER_MAX = 32;
/** Which keyspaces are asked for. */
export const KEYSPACES_ASKED = z.object({ keyspaces: z.array(idText).min(1).max(TOGETHER_MAX) });

/** By keyspace what the site's vote on its register is; of those left out it says nothing. */
export const REGISTERS = z.object({ answers: z.record(idText, registerAnswer) });

/** What a site's copies of a keyspace's logs hold. */
export const COPIES: z.ZodType<SiteCopies> = z.object({
  site: idText,
  copies: z.array(
    z.object({
      origin: idText,
      logId: idText,
      trusted: z.boolean(),
      vouched: idText.nullable(),
      stranded: words.exactOptional(),
      fencedBelow: counted.exactOptional(),
      positions: z.array(z.tuple([counted, seqNumber, chain])),
    }),
  ),
});

/** The same by keyspace; those left out are asked for alone, which tells why. */
export const ALL_COPIES = z.object({ answers: z.record(idText, COPIES) });

/** A fence that a candidate asks for: the origin whose term it closes, and in which epoch it stands itself. */
export type FenceAsked = {
  readonly origin: string;
  readonly closes: number;
  readonly by: number;
  readonly nonce: string;
};
/** The same as it arrives. */
export const FENCE_ASKED: z.ZodType<FenceAsked> = z.object({
  origin: idText,
  closes: counted,
  by: counted,
  nonce: idText,
});
/** What the copy held before the fence. */
export const FENCED: z.ZodType<FenceReport> = z.object({
  site: idText,
  origin: idText,
  logId: idText,
  trusted: z.boolean(),
  partitions: z.array(z.object({ epoch: counted, seq: seqNumber, chain })),
  logIds: z.record(idText, idText),
  vouched: idText.nullable(),
});

/** What is to be copied, up to where, and from whom. */
export type FillAsked = {
  readonly origin: string;
  readonly epoch: number;
  readonly epochEnds: readonly EpochEndAt[];
  readonly from: readonly string[];
};
/** The same as it arrives. */
export const FILL_ASKED: z.ZodType<FillAsked> = z.object({
  origin: idText,
  epoch: counted,
  epochEnds: epochEndsOf,
  from: z.array(idText).max(SITES_MAX),
});
/** `complete` false: not all of it was found in time. */
export const FILLED = z.object({ complete: z.boolean() });

/** How far a site has applied every log. `asOf` is its closed timestamp as text, and `asOfEpoch` the epoch it stands in. */
export const APPLIED = z.object({
  positions: z.record(idText, z.array(positionText)),
  asOf: words,
  asOfEpoch: z.int(),
});
/** How far a site has applied. */
export type AppliedThere = z.output<typeof APPLIED>;

/** That a site is to stand for election, and why. */
export const NOMINATION = z.object({
  cause: z.enum(['suspicion', 'switchover', 'failover', 'takeover']),
  reason: reasonText,
  /** Of the register, as whoever asks has seen it. */
  version: counted,
  decisionId: idText.nullable().default(null),
  loss: lossSchema.nullable().default(null),
});
/** What a nomination says. */
export type Nomination = {
  readonly cause: Exclude<Cause, 'start'>;
  readonly reason: string;
  readonly version: number;
  readonly decisionId?: string | null;
  readonly loss: LossRule | null;
};
/** It stands. */
export const NOMINATED = z.object({ accepted: z.literal(true) });

/** Whether a site wants to lead, and why; null: it does not. */
export type Standing = { readonly site: string; readonly standsFor: Cause | null };
/** The same as it arrives. */
export const STANDING: z.ZodType<Standing> = z.object({
  site: idText,
  standsFor: z.enum(['start', 'suspicion', 'switchover', 'failover', 'takeover']).nullable(),
});

/** For whom a site is to write no more; `resume`: it may write on. */
export const ABDICATION = z.object({ to: idText, resume: z.boolean().default(false) });
/** How far it wrote. */
export const ABDICATED = z.object({ epoch: counted, heads: z.array(seqNumber) });
/** It writes on in that epoch. */
export const RESUMED = z.object({ epoch: counted });

/** What was last heard of the primary whose term would end. */
export const LOSS_ASKED = z.object({ heard: heardSchema.nullable().default(null) });
/** What was last heard; null: nothing. */
export type LossAsked = { readonly heard: Heard | null };
const LOSS = z.object({ records: count, rows: count });
/** What ending the newest term there would cost. */
export const LOSSES: z.ZodType<LossChoices> = z.object({ received: LOSS, consistent: LOSS.nullable() });

/** Whether a site suspects the primary. */
export const HEALTH_VOTE: z.ZodType<HealthVote> = z.object({
  site: idText,
  epoch: counted,
  suspects: z.boolean(),
  sinceMs: z.number(),
  signs: z.object({ dataMs: silentMs, probeMs: silentMs, beatMs: silentMs }),
  abstains: words,
});

/** The last known progress of one epoch: how far it was, at what rate it wrote, and for how long nothing was heard. */
export type LastHeard = Mark & {
  /** The fastest it was seen to write. */
  readonly rowsPerSecond: number;
  readonly silentMs: number;
};
/** What one site sees of the newest term's primary just now. */
export type SiteSight = {
  readonly site: string;
  /** Since the last barrier from the primary's log was read here, ms; null: none can be. */
  readonly dataMs: number | null;
  /** What is wrong with this site's clock; null: nothing. */
  readonly clockTrouble: string | null;
  /** Whether the primary's log can be reached from here, with or without the primary's processes. */
  readonly reachesLog: boolean;
  readonly lastHeard: LastHeard | null;
};
/** The same as it arrives. */
export const SIGHT: z.ZodType<SiteSight> = z.object({
  site: idText,
  dataMs: silentMs,
  clockTrouble: words,
  reachesLog: z.boolean(),
  lastHeard: z
    .object({ heads: z.array(seqNumber), rows: z.array(count), rowsPerSecond: count, silentMs: count })
    .nullable(),
});

/** Where a site's control topic and its copies end. */
export const ENDS: z.ZodType<Ends> = z.object({
  control: z.object({ acceptor: idText, end: counted }).nullable(),
  copies: z.array(z.object({ keyspace: idText, origin: idText, logId: idText, ends: z.array(position).max(ENDS_MAX) })),
});
const BEFORE = z.object({ gapMs: silentMs, ends: ENDS });
/** What a site remembers of an earlier process of the one that asks. */
export type Before = z.output<typeof BEFORE>;
/** What a ping says beside the time; `before` null: there was no earlier process of whoever asked. */
export type Word = { readonly process: string; readonly ends: Ends; readonly before: Before | null };
const WORD: z.ZodType<Word> = z.object({ process: idText, ends: ENDS, before: BEFORE.nullable() });
/** Who asks for a ping, and which of its processes. */
export const PING_ASKED = z.object({ from: idText.exactOptional(), process: idText.exactOptional() });
/** That a site lives; what it says beside that may be wrong, and is then null: the sign of life is not. */
export const PING = z.object({ site: idText, timeMs: z.number(), word: WORD.nullable().catch(null) });
/** A sign of life. */
export type Ping = z.output<typeof PING>;

const DIGEST = z.object({
  rows: counted,
  cells: counted,
  tombstones: counted,
  hash: z.string(),
  gcWatermark: gcWatermark.nullable(),
});
/** One step of a comparison: to hold where the site is (`at` null), or to take digests there. */
export const HELD_ASKED = z.strictObject({
  /** Names the comparison. */
  id: z.string().min(1).max(64),
  /** Null: stop here, and say where. */
  at: positions.nullable(),
  /** Deletions below are left out, as some site may have forgotten them; null: none is. */
  gcWatermark: gcWatermark.nullable().default(null),
  /** The hold ends by itself after this long; and longest wait until `at` is reached. */
  forMs: z.number().int().min(1).max(HOLD_MS_MAX),
});
/** What a comparison asks. */
export type HeldAsked = {
  readonly id: string;
  readonly at: Positions | null;
  readonly gcWatermark: z.output<typeof gcWatermark> | null;
  readonly forMs: number;
};
type Digest = z.output<typeof DIGEST>;
/** What a comparison is told. */
export type HeldAnswer = {
  readonly site: string;
  /** Of the keyspace there. */
  readonly version: number;
  readonly positions: Positions;
  /** Deletions below may be forgotten there, now and until its digests are taken; null: none is. */
  readonly gcWatermark: z.output<typeof gcWatermark> | null;
  /** By table and partition; null while only held, or when `at` was not reached. */
  readonly digests: Readonly<Record<string, readonly Digest[]>> | null;
};
/** The same as it arrives. */
export const HELD: z.ZodType<HeldAnswer> = z.object({
  site: idText,
  version: counted,
  positions,
  gcWatermark: gcWatermark.nullable(),
  digests: z.record(z.string(), z.array(DIGEST)).nullable(),
});

/** What everything a keyspace holds is fingerprinted at, `ms.counter`; absent: with as many deletions as there are. */
export const DIGEST_ASKED = z.object({ gcWatermark: z.string().exactOptional() });
const TABLES = z.record(z.string(), z.object({ rows: counted, hash: z.string() }));
/** The fingerprints of a site's tables. `gcWatermark` null: nothing is left out. */
export const DIGESTS = z.object({
  gcWatermark: words,
  positions: z.record(idText, z.array(z.string())),
  tables: TABLES,
  scratch: TABLES,
});
/** Age of writes when they were applied at a site, over its whole run, as quantiles in ms of `count` records. */
export const LAG = z.object({ lagMs: z.object({ run: z.object({ count: counted, p50: count, p99: count }) }) });

/** Of a status, how far each site is behind each origin, in s; null: not measured. */
export const LAGS = z.object({
  keyspaces: z.array(
    z.object({
      keyspace: idText,
      sites: z.array(
        z.object({
          site: idText,
          origins: z.array(z.object({ origin: idText, lagSeconds: z.number().nullable(), lagState: z.string() })),
        }),
      ),
    }),
  ),
});

/** What a site decided, newest first. */
export const HISTORY = z.object({ decisions: z.array(DECISION) });
/** One decision. */
export const TOLD_DECISION = DECISION;

/** Rows to write, as any client may. */
export const ROWS = z.object({ rows: z.array(z.looseObject({})) });
/** How many of them were taken. */
export const WRITTEN = z.object({ accepted: counted, rejected: counted });

/** What the writer of a term has counted of a copy, in the query of its question. By partition, the highest seq; −1 for none. */
export const COUNTED = z.object({
  epoch: z.coerce.number().int(),
  logId: idText,
  floor: z.string().transform((text) => text.split(',').map(Number)),
});
/** What was counted. */
export type Counted = z.output<typeof COUNTED>;
/** What one mirror holds of one keyspace of an origin; it replaces what the same mirror said before (protocol rule 12). */
export type Durable = {
  readonly site: string;
  /** Identity of the mirror topic; empty before it is known. */
  readonly logId: string;
  /** By partition: epoch and seq of the highest ackable record stored there, cumulative. */
  readonly positions: readonly (readonly [number, number])[];
};
/** The same as it arrives, a line each. */
export const DURABLE: z.ZodType<Durable> = z.object({
  site: idText,
  logId: idText,
  positions: z.array(z.tuple([counted, seqNumber])),
});

/** A record beyond the epoch ends of an origin, in base64; at last `done`. */
export const BEYOND = z.union([z.object({ value: z.base64() }), z.object({ done: z.literal(true) })]);
/** A line of them. */
export type Beyond = z.output<typeof BEYOND>;
