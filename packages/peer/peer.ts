/** What a site asks another one: each route with its time-out and the shape of its answer, in one place. */

import { counted, epochEndAt, idText, seqNumber } from '@tidemark/control/consensus/register-json';
import type { EpochEndAt } from '@tidemark/control/consensus/register-value';
import type { FenceReport } from '@tidemark/control/failover/election';
import type { SiteCopies } from '@tidemark/control/failover/site-copies';
import { type Position, parsePosition } from '@tidemark/model/position';
import { isFault, messageOf } from '@tidemark/platform/fault';
import type { Network } from '@tidemark/platform/network';
import { z } from 'zod';
import { type Told, tell } from './told.ts';

const COPIES_MS = 5_000;
const FENCE_MS = 3_000;
/** A fill gives up after 10 s by itself. */
const FILL_MS = 12_000;
const POSITIONS_MS = 5_000;
const STANDING_MS = 1_000;
const ABDICATE_MS = 3_000;

const chain = epochEndAt.shape.chain;
const logIds = z.record(idText, idText);
const vouched = idText.nullable();
const COPY = z.object({
  origin: idText,
  logId: idText,
  trusted: z.boolean(),
  vouched,
  stranded: z.string().nullable().exactOptional(),
  fencedBelow: counted.exactOptional(),
  positions: z.array(z.tuple([counted, seqNumber, chain])),
});
const COPIES: z.ZodType<SiteCopies> = z.object({ site: idText, copies: z.array(COPY) });
const HEAD = z.object({ epoch: counted, seq: seqNumber, chain });
const FENCED: z.ZodType<FenceReport> = z.object({
  site: idText,
  origin: idText,
  logId: idText,
  trusted: z.boolean(),
  partitions: z.array(HEAD),
  logIds,
  vouched,
});
const FILLED = z.object({ complete: z.boolean() });
const STANDING = z.object({ site: idText, standsFor: z.string().nullable() });
const ABDICATED = z.object({ epoch: counted, heads: z.array(seqNumber) });
const RESUMED = z.object({ epoch: counted });

const position = z.string().transform((text, context): Position => {
  try {
    return parsePosition(text);
  } catch (error) {
    if (!isFault(error)) throw error;
    context.addIssue(messageOf(error));
    return z.NEVER;
  }
});
const APPLIED = z.object({
  positions: z.record(idText, z.array(position)),
  asOf: z.string().nullable(),
  asOfEpoch: z.int(),
});

/** A fence that a candidate asks for: the origin whose term it closes, and in which epoch it stands itself. */
export type FenceAsked = {
  readonly origin: string;
  readonly closes: number;
  readonly by: number;
  readonly nonce: string;
};

/** What is to be copied, up to where, and from whom. */
export type FillAsked = {
  readonly origin: string;
  readonly epoch: number;
  readonly epochEnds: readonly EpochEndAt[];
  readonly from: readonly string[];
};

/** How far a site has applied every log. `asOf` is its closed timestamp as text, and `asOfEpoch` the epoch it stands in. */
export type AppliedThere = z.output<typeof APPLIED>;

/** One other site, or this one, as it is asked about a keyspace. */
export class Peer {
  readonly #network: Pick<Network, 'ask'>;
  readonly #place: string;

  /** @param place where its HTTP is, or the address that stands for it */
  constructor(network: Pick<Network, 'ask'>, place: string) {
    this.#network = network;
    this.#place = place;
  }

  /** What its copies of the logs hold. */
  copies(keyspace: string, timeoutMs = COPIES_MS): Promise<Told<SiteCopies>> {
    return this.#ask(`copies/${keyspace}`, null, timeoutMs, COPIES);
  }

  /** Writes a fence into its copy of an origin, and tells what the copy held before it (protocol E3). */
  fence(keyspace: string, asked: FenceAsked): Promise<Told<FenceReport>> {
    return this.#ask(`fence/${keyspace}`, asked, FENCE_MS, FENCED);
  }

  /** Has it copy an epoch up to its end; `complete` false: not all of it was found in time. */
  fill(keyspace: string, asked: FillAsked): Promise<Told<{ readonly complete: boolean }>> {
    return this.#ask(`fill/${keyspace}`, asked, FILL_MS, FILLED);
  }

  /** How far it has applied. */
  applied(keyspace: string, timeoutMs = POSITIONS_MS): Promise<Told<AppliedThere>> {
    return this.#ask(`positions/${keyspace}`, null, timeoutMs, APPLIED);
  }

  /** Whether it wants to lead, and why. */
  standing(keyspace: string): Promise<Told<{ readonly site: string; readonly standsFor: string | null }>> {
    return this.#ask(`standing/${keyspace}`, null, STANDING_MS, STANDING);
  }

  /** It takes no more writes, for `to` to lead; tells how far it wrote. */
  abdicate(keyspace: string, to: string): Promise<Told<{ readonly epoch: number; readonly heads: readonly number[] }>> {
    return this.#ask(`abdicate/${keyspace}`, { to }, ABDICATE_MS, ABDICATED);
  }

  /** The leadership transfer to `to` came to nothing: it writes on. */
  resume(keyspace: string, to: string): Promise<Told<{ readonly epoch: number }>> {
    return this.#ask(`abdicate/${keyspace}`, { to, resume: true }, ABDICATE_MS, RESUMED);
  }

  #ask<T>(route: string, body: object | null, timeoutMs: number, schema: z.ZodType<T>): Promise<Told<T>> {
    return tell(this.#network, { url: `${this.#place}/v1/internal/${route}`, body, timeoutMs }, schema);
  }
}
