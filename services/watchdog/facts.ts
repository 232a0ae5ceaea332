/** What a process says of itself on its site's heartbeat store. */

import type { Lag } from '@tidemark/control/failover/lag';

/** What one site knows of one origin's writes of a keyspace. */
export type OriginFacts = {
  readonly origin: string;
  /** By partition, `epoch:seq` applied here; null when it did not fit on the heartbeat store. */
  readonly applied: readonly string[] | null;
  readonly lag: Lag;
  readonly records: number;
  readonly rows: number;
  readonly duplicate: number;
  readonly ignored: number;
  /** Of those ignored, the ones that should not have been there at all. */
  readonly alarmed: number;
  /** Why partitions stopped for good. */
  readonly stopped: readonly string[];
};

/** What one site's mirror knows of one origin, or of its own log. */
export type CopyFacts = {
  readonly origin: string;
  readonly durable: readonly string[] | null;
  readonly behindRecords: number | null;
  readonly ignored: number;
  readonly stopped: readonly string[];
  /** Why partitions do not simply follow. */
  readonly held: readonly string[];
};

/** What the writer says, where it runs. */
export type TermFacts = {
  readonly epoch: number;
  readonly heads: readonly string[] | null;
  /** By partition: rows written in the epoch up to the head. */
  readonly rows: readonly number[] | null;
  /** Of all partitions: this much fits on every heartbeat store. */
  readonly rowCount: number;
  /** How long it has been writing. */
  readonly termMs: number;
  readonly committed: readonly string[] | null;
  readonly barrierMs: number;
  readonly pendingBytes: number;
  readonly ingest?: IngestFacts;
};

/** What the writer took of its site's ingest topic. */
export type IngestFacts = {
  /** Records dealt with, rows written, records set aside, records gone before they were read. */
  readonly read: number;
  readonly rows: number;
  readonly rejected: number;
  readonly missed: number;
  /** Records that wait; null while that is not known. */
  readonly lagRecords: number | null;
};

/** What a process says of one keyspace: its writer's term, closed timestamp, origins applied and copies held. */
export type KeyspaceFacts = {
  readonly keyspace: string;
  readonly version: number;
  readonly state: 'starting' | 'running' | 'elsewhere';
  readonly writer: TermFacts | null;
  /** What keeps an election of this site's open, and what an operator can do; absent: nothing. */
  readonly waiting?: { readonly epoch: number; readonly why: string; readonly remedy: string } | null;
  /** Null where no applier runs. */
  readonly asOfMs: number | null;
  readonly origins: readonly OriginFacts[];
  readonly copies: readonly CopyFacts[];
};

/** One process of a site. */
export type SiteFacts = {
  readonly url: string;
  /** Where it answers other sites. */
  readonly peerUrl: string;
  readonly roles: readonly string[];
  readonly loopLagMs: number;
  /** Why it cannot do all that it is there for, in a few words each: its clock is wrong, its log does not answer. */
  readonly troubles: readonly string[];
  readonly keyspaces: readonly KeyspaceFacts[];
};

/** The facts without the lists that grow with partitions, for a heartbeat store that cannot hold them. */
export function withoutPositions(facts: SiteFacts): SiteFacts {
  const keyspaces = facts.keyspaces.map((keyspace) => ({
    ...keyspace,
    writer: keyspace.writer === null ? null : { ...keyspace.writer, heads: null, rows: null, committed: null },
    origins: keyspace.origins.map((origin) => ({ ...origin, applied: null })),
    copies: keyspace.copies.map((copy) => ({ ...copy, durable: null, held: copy.held?.slice(0, 1) ?? [] })),
  }));
  return { ...facts, keyspaces };
}

/** What a beat's facts say, as far as they have the shape; null when they have not. */
export function siteFactsOf(facts: Readonly<Record<string, unknown>>): SiteFacts | null {
  const { url, peerUrl, roles, loopLagMs, troubles = [], keyspaces } = facts as Partial<SiteFacts>;
  if (typeof url !== 'string' || typeof peerUrl !== 'string' || typeof loopLagMs !== 'number') return null;
  if (!Array.isArray(roles) || !Array.isArray(keyspaces)) return null;
  const told = Array.isArray(troubles) ? troubles.map(String) : [];
  return { url, peerUrl, roles, loopLagMs, troubles: told, keyspaces: keyspaces.filter(isKeyspaceFacts) };
}

function isKeyspaceFacts(value: unknown): value is KeyspaceFacts {
  const { keyspace, origins, copies } = (value ?? {}) as Partial<KeyspaceFacts>;
  return typeof keyspace === 'string' && areOf(origins, ['origin', 'lag']) && areOf(copies, ['origin']);
}

/** A list of objects that have these fields. */
function areOf(list: unknown, fields: readonly string[]): boolean {
  if (!Array.isArray(list)) return false;
  return list.every((one) => typeof one === 'object' && one !== null && fields.every((field) => field in one));
}
