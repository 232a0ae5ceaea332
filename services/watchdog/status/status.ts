/**
 * What `GET /v1/status` answers: the sites, and for each keyspace how far each site has come. Pure. Nothing in it is
 * better than what is known: a site not heard of is unknown, and a lag that is not measured is null, never 0.
 */

import {
  type Cause,
  memberNamed,
  newestTerm,
  primaryOf,
  type RegisterValue,
} from '@tidemark/control/consensus/register-value';
import type { Freshness } from '@tidemark/control/failover/freshness';
import type { Lag } from '@tidemark/control/failover/lag';
import type { Models } from '@tidemark/control/failover/models';
import { formatAck, type Keyspace } from '@tidemark/model/table';
import type { SeenProcess, SeenSite } from '../detect/heartbeat-monitor.ts';
import type { CopyFacts, KeyspaceFacts, OriginFacts, SiteFacts, TermFacts } from '../facts.ts';

/** One site as the answering site sees it. */
export type SiteStatus = {
  readonly site: string;
  readonly state: Freshness;
  /** Why it is not alive, and what is wrong with it; null: nothing. */
  readonly reason: string | null;
  readonly url: string | null;
  readonly roles: readonly string[];
  /** Since its newest heartbeat arrived here; null when none did. */
  readonly beatAgeSeconds: number | null;
  readonly loopLagMs: number | null;
  /** Of the site that answers: how surprising the silence of its quietest process is (phi accrual); null of others. */
  readonly phi: number | null;
};

/** How far one site has come with what one origin wrote. */
export type OriginStatus = {
  readonly origin: string;
  /** How far behind the origin's writes; null when it cannot be told. */
  readonly lagSeconds: number | null;
  readonly lagState: Lag['state'];
  /** By partition, `epoch:seq`: applied to the column files, and held by the mirror (null at the origin itself). */
  readonly applied: readonly string[] | null;
  readonly durable: readonly string[] | null;
  readonly behindRecords: number | null;
  readonly ignored: number;
  readonly alarmed: number;
  /** Why partitions stopped, or do not simply follow. */
  readonly stopped: readonly string[];
};

/** What a site is to a keyspace; `unknown` until the register was read. */
export type SiteRole = 'primary' | 'replica' | 'witness' | 'rebuild' | 'unknown';

type KeyspaceSiteStatus = {
  readonly site: string;
  readonly role: SiteRole;
  readonly state: Freshness;
  readonly phase: KeyspaceFacts['state'] | 'unknown';
  readonly asOfMs: number | null;
  readonly origins: readonly OriginStatus[];
};

/** One keyspace: who leads it, and how far each site has come. */
export type KeyspaceStatus = {
  readonly keyspace: string;
  readonly version: number;
  readonly ack: string;
  /** What acks promise now, where an election had to lower it; null: what `ack` says. */
  readonly ackLowered: string | null;
  /** The site of the newest term; before the register was read, the one it was defined with. */
  readonly primary: string;
  /** State of the primary's site. */
  readonly primaryState: Freshness;
  /** Of the newest term; null before the register was read, and before the first. */
  readonly epoch: number | null;
  /** What the register says is going on. */
  readonly phase: 'steady' | 'electing' | 'unknown';
  /** Who is being elected, in which epoch and why; null while it is steady. */
  readonly election: {
    readonly epoch: number;
    readonly site: string;
    readonly cause: Cause;
    readonly reason: string;
    /** What keeps it open, and what an operator can do; null: nothing is known to. */
    readonly waits: { readonly why: string; readonly remedy: string } | null;
  } | null;
  readonly failover: Keyspace['failover'];
  readonly paused: boolean;
  /** The newest move to another site that is known here, measured; null: none. */
  readonly lastFailover: LastFailover | null;
  readonly models: Models;
  readonly writer: Omit<TermFacts, 'epoch'> | null;
  readonly sites: readonly KeyspaceSiteStatus[];
};

/** The newest move of a keyspace, with how long each phase took. */
export type LastFailover = {
  /** Its explanation is at `/v1/history/{decision}`. */
  readonly decision: string;
  readonly kind: 'failover' | 'switchover' | 'takeover';
  readonly atMs: number;
  readonly from: string | null;
  readonly to: string | null;
  readonly epoch: number | null;
  readonly phases: readonly { readonly name: string; readonly ms: number }[];
  readonly totalMs: number;
  /** Rows; null: not known. */
  readonly lostRows: number | null;
};

/** The answer of `GET /v1/status`, as JSON. */
export type Status = {
  readonly cluster: string;
  /** The site that answers. */
  readonly site: string;
  readonly sites: readonly SiteStatus[];
  readonly keyspaces: readonly KeyspaceStatus[];
};

/** Everything the answer is made of, read just before. */
export type StatusInput = {
  readonly cluster: string;
  readonly site: string;
  /** What this process knows of itself: it needs no heartbeat store for that. */
  readonly own: SiteFacts;
  readonly seen: readonly SeenSite[];
  readonly keyspaces: readonly Keyspace[];
  /** The newest value known here of a keyspace's register. */
  readonly registerValue: (keyspace: string) => RegisterValue | null;
  readonly lastFailover: (keyspace: string) => LastFailover | null;
  readonly models: (keyspace: string) => Models;
  readonly beatEveryMs: number;
};

/** What one site said of one keyspace, and how old that is. */
type Said = Omit<SeenProcess, 'facts'> & { readonly facts: KeyspaceFacts };

/** Puts the answer together from what is known here, of every site and keyspace. */
export function statusOf(input: StatusInput): Status {
  const { cluster, site, seen, keyspaces } = input;
  return {
    cluster,
    site,
    sites: seen.map((one) => siteStatus(input, one)),
    keyspaces: keyspaces.map((keyspace) => keyspaceStatus(input, keyspace)),
  };
}

function siteStatus(input: StatusInput, { site, state, reason, processes }: SeenSite): SiteStatus {
  const facts = processes.flatMap((process) => process.facts ?? []);
  const known = facts.length === 0 && site === input.site ? [input.own] : facts;
  const words = [
    ...new Set([...(reason === null || reason === '' ? [] : [reason]), ...known.flatMap((one) => one.troubles)]),
  ];
  const phis = processes.flatMap((process) => process.phi ?? []);
  const ages = processes.map((process) => process.ageMs);
  return {
    site,
    state,
    reason: words.length === 0 ? null : words.join('; '),
    url: known[0]?.url ?? null,
    roles: [...new Set(known.flatMap((one) => one.roles))],
    beatAgeSeconds: ages.length === 0 ? null : seconds(Math.max(...ages)),
    loopLagMs: facts.length === 0 ? null : Math.max(...facts.map((one) => one.loopLagMs)),
    phi: phis.length === 0 ? null : Math.round(Math.max(...phis) * 10) / 10,
  };
}

function keyspaceStatus(input: StatusInput, keyspace: Keyspace): KeyspaceStatus {
  const { name, version, ack } = keyspace;
  const value = input.registerValue(name);
  const primary = primaryOf(value, keyspace);
  const term = value === null ? null : newestTerm(value);
  const writer = said(input, primary, name).find((one) => one.facts.writer !== null)?.facts.writer ?? null;
  const { epoch = null, ...rest } = writer ?? {};
  return {
    keyspace: name,
    version,
    ack: formatAck(ack),
    ackLowered: value === null || value.ack.k >= ack.k ? null : formatAck(value.ack),
    primary,
    primaryState: stateOf(input, primary),
    epoch: term?.epoch ?? epoch,
    phase: value === null ? 'unknown' : value.election === null ? 'steady' : 'electing',
    election: electionOf(input, name, value),
    failover: value?.failover ?? keyspace.failover,
    paused: value?.paused ?? false,
    lastFailover: input.lastFailover(name),
    models: input.models(name),
    writer: writer === null ? null : (rest as Omit<TermFacts, 'epoch'>),
    sites: keyspace.sites.map((site) => {
      const all = said(input, site.name, name);
      return {
        site: site.name,
        role: roleOf(value, site),
        state: stateOf(input, site.name),
        phase: phaseOf(all),
        asOfMs: all.map((one) => one.facts.asOfMs).find((asOfMs) => asOfMs !== null) ?? null,
        origins: site.role === 'data' ? originsOf(input, keyspace, primary, site.name, all) : [],
      };
    }),
  };
}

function electionOf(input: StatusInput, name: string, value: RegisterValue | null): KeyspaceStatus['election'] {
  if (value === null || value.election === null) return null;
  const { epoch, site, cause, reason } = value.election;
  const waiting = said(input, site, name).find(({ facts }) => facts.waiting?.epoch === epoch)?.facts.waiting ?? null;
  const waits = waiting === null ? null : { why: waiting.why, remedy: waiting.remedy };
  return { epoch, site, cause, reason, waits };
}

function roleOf(value: RegisterValue | null, { name, role }: Keyspace['sites'][number]): SiteRole {
  if (role === 'witness') return 'witness';
  const term = value === null ? null : newestTerm(value);
  if (value === null || term === null) return 'unknown';
  if (term.site === name) return 'primary';
  return memberNamed(value, name)?.state === 'ACTIVE' ? 'replica' : 'rebuild';
}

function stateOf(input: StatusInput, site: string): Freshness {
  return input.seen.find((one) => one.site === site)?.state ?? 'unknown';
}

/** Everything a site's processes said of a keyspace; this process's own words come first and are never old. */
function said(input: StatusInput, site: string, keyspace: string): Said[] {
  const own: SeenProcess[] =
    site === input.site ? [{ state: 'alive', ageMs: 0, phi: null, heard: true, facts: input.own }] : [];
  const seen = input.seen.find((one) => one.site === site)?.processes ?? [];
  return [...own, ...seen].flatMap(({ facts, ...rest }) =>
    (facts?.keyspaces ?? []).filter((one) => one.keyspace === keyspace).map((one) => ({ ...rest, facts: one })),
  );
}

function phaseOf(all: readonly Said[]): KeyspaceSiteStatus['phase'] {
  if (all.length === 0) return 'unknown';
  return all.find((one) => one.facts.state === 'starting')?.facts.state ?? all[0]!.facts.state;
}

/** The primary always, whether anything was said of it or not; another origin when there is something to say of it. */
function originsOf(
  input: StatusInput,
  keyspace: Keyspace,
  primary: string,
  site: string,
  all: readonly Said[],
): OriginStatus[] {
  const data = keyspace.sites.filter((one) => one.role === 'data').map((one) => one.name);
  return data
    .map((origin) => originStatus(input, primary, site, origin, all))
    .filter((status) => status.origin === primary || hasWritten(status));
}

function hasWritten({ lagState, applied, durable, ignored, stopped }: OriginStatus): boolean {
  const positions = [...(applied ?? []), ...(durable ?? [])];
  return lagState !== 'unknown' || ignored > 0 || stopped.length > 0 || positions.some((text) => text !== '0:-1');
}

function originStatus(
  input: StatusInput,
  primary: string,
  site: string,
  origin: string,
  all: readonly Said[],
): OriginStatus {
  const at = find(all, (facts) => facts.origins, origin);
  const held = find(all, (facts) => facts.copies, origin)?.one;
  // At the origin itself the copy is its own log, which nothing is copied into.
  const copy = origin === site ? null : held;
  const lag = at === null ? UNKNOWN : agedLag(at.one.lag, at, input.beatEveryMs);
  // Only the primary writes barriers: of any other origin there is nothing to be behind of.
  const { lagMs, state } = origin === primary || lag.state !== 'stale' ? lag : UNKNOWN;
  return {
    origin,
    lagSeconds: lagMs === null ? null : seconds(lagMs),
    lagState: state,
    applied: at?.one.applied ?? null,
    durable: copy?.durable ?? null,
    behindRecords: copy?.behindRecords ?? null,
    ignored: (at?.one.ignored ?? 0) + (copy?.ignored ?? 0),
    alarmed: at?.one.alarmed ?? 0,
    stopped: [...(at?.one.stopped ?? []), ...(held?.stopped ?? []), ...(held?.held ?? [])],
  };
}

function find<T extends OriginFacts | CopyFacts>(
  all: readonly Said[],
  pick: (facts: KeyspaceFacts) => readonly T[],
  origin: string,
): (Said & { readonly one: T }) | null {
  for (const each of all) {
    const one = pick(each.facts).find((facts) => facts.origin === origin);
    if (one !== undefined) return { ...each, one };
  }
  return null;
}

const UNKNOWN: Lag = { lagMs: null, state: 'unknown' };

/**
 * A lag as it was said, made older by the time since: what was said on time stands, and from the first beat that is
 * missing on it grows. Of a site nobody hears, nothing is known.
 */
export function agedLag(lag: Lag, said: Pick<SeenProcess, 'state' | 'ageMs' | 'heard'>, beatEveryMs: number): Lag {
  if (lag.lagMs === null || said.state === 'unknown' || !said.heard) return UNKNOWN;
  const lateMs = Math.max(0, said.ageMs - beatEveryMs);
  return { lagMs: lag.lagMs + lateMs, state: said.state === 'alive' ? lag.state : 'stale' };
}

function seconds(ms: number): number {
  return Math.ceil(ms) / 1000;
}
