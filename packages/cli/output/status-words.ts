/** A site's status in words: the sites, and how far each has come in each keyspace. */

import { textTable } from './output.ts';

/** What `GET /v1/status` answers, as far as it is shown. A value that is not known is null, never 0. */
export type Status = {
  readonly cluster: string;
  /** The site that answers. */
  readonly site: string;
  readonly sites: readonly SiteStatus[];
  readonly keyspaces: readonly KeyspaceStatus[];
};

type SiteStatus = {
  readonly site: string;
  readonly state: string;
  readonly reason: string | null;
  readonly url: string | null;
  readonly roles: readonly string[];
  readonly beatAgeSeconds: number | null;
  readonly loopLagMs: number | null;
};

type OriginStatus = {
  readonly origin: string;
  readonly lagSeconds: number | null;
  readonly lagState: string;
  readonly behindRecords: number | null;
  readonly alarmed: number;
  readonly stopped: readonly string[];
};

type KeyspaceStatus = {
  readonly keyspace: string;
  readonly version: number;
  readonly ack: string;
  readonly ackLowered: string | null;
  readonly primary: string;
  readonly epoch: number | null;
  readonly election?: {
    readonly epoch: number;
    readonly site: string;
    readonly waits: { readonly why: string; readonly remedy: string } | null;
  } | null;
  readonly sites: readonly {
    readonly site: string;
    readonly role: string;
    readonly phase: string;
    readonly origins: readonly OriginStatus[];
  }[];
};

const SITE_COLUMNS = ['site', 'state', 'address', 'roles', 'beat age s', 'loop lag ms', 'reason'];
const KEYSPACE_COLUMNS = ['site', 'role', 'phase', 'origin', 'lag s', 'lag is', 'records behind', 'alarms', 'stopped'];

/** The sites as a table, then a table for each keyspace. */
export function statusInWords(status: Status): string {
  const sites = status.sites.map(({ site, state, url, roles, beatAgeSeconds, loopLagMs, reason }) => {
    const name = site === status.site ? `${site} (asked)` : site;
    return [name, state, url, roles.join(' '), beatAgeSeconds, loopLagMs, reason];
  });
  const parts = [`cluster ${status.cluster}`, textTable(SITE_COLUMNS, sites)];
  return [...parts, ...status.keyspaces.map(keyspaceInWords)].join('\n\n');
}

function keyspaceInWords(status: KeyspaceStatus): string {
  const { keyspace, version, ack, ackLowered, primary, epoch, sites } = status;
  const level = ackLowered === null ? ack : `${ackLowered} (lowered from ${ack} until sites enough are back)`;
  const head = `keyspace ${keyspace}: version ${version}, ack ${level}, primary ${primary}, epoch ${epoch ?? 'unknown'}`;
  const rows = sites.flatMap(({ site, role, phase, origins }) => {
    if (origins.length === 0) return [[site, role, phase, null, null, null, null, null, null]];
    return origins.map((one) => {
      const { origin, lagSeconds, lagState, behindRecords, alarmed, stopped } = one;
      return [site, role, phase, origin, lagSeconds, lagState, behindRecords, alarmed, stopped.join('; ')];
    });
  });
  return [head, ...electionInWords(status), textTable(KEYSPACE_COLUMNS, rows)].join('\n');
}

function electionInWords({ election }: KeyspaceStatus): string[] {
  if (election == null) return [];
  const { epoch, site, waits } = election;
  const open = `an election of epoch ${epoch} by ${site} is open, and nothing is written`;
  return waits === null ? [open] : [`${open}: ${waits.why}`, `what helps: ${waits.remedy}`];
}

const LIVE_COLUMNS = ['keyspace', 'site', 'is', 'state', 'epoch', 'lag s', 'behind', 'beat s', 'what is wrong'];

/** Everything in one table, a line for each keyspace at each site: short enough to be read while it changes. */
export function liveStatus(status: Status, now: Date): string {
  const rows = status.keyspaces.flatMap((keyspace) =>
    keyspace.sites.map(({ site, role, phase, origins }) => {
      const seen = status.sites.find((one) => one.site === site);
      const isPrimary = site === keyspace.primary;
      const behind = origins.find((one) => one.origin === keyspace.primary);
      const wrong = [seen?.reason, phase === 'running' ? null : phase, ...origins.flatMap((one) => one.stopped)];
      return [
        keyspace.keyspace,
        site,
        isPrimary ? 'PRIMARY' : role === 'witness' ? 'witness' : 'replica',
        seen?.state ?? 'unknown',
        isPrimary ? keyspace.epoch : null,
        isPrimary ? null : (behind?.lagSeconds ?? null),
        isPrimary ? null : (behind?.behindRecords ?? null),
        seen?.beatAgeSeconds ?? null,
        wrong.filter((text) => text !== null && text !== undefined && text !== '').join('; '),
      ];
    }),
  );
  const head = `cluster ${status.cluster}, as ${status.site} sees it at ${now.toISOString()}; Ctrl-C ends this`;
  return `${head}\n\n${textTable(LIVE_COLUMNS, rows)}`;
}
