import { initialValue, type RegisterValue } from '@tidemark/control/consensus/register-value';
import type { Freshness } from '@tidemark/control/failover/freshness';
import type { Lag } from '@tidemark/control/failover/lag';
import { modelsOf } from '@tidemark/control/failover/models';
import { travelKeyspace } from '@tidemark/model/testing/travel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SeenSite } from '../detect/heartbeat-monitor.ts';
import type { KeyspaceFacts, SiteFacts } from '../facts.ts';
import { agedLag, type Status, type StatusInput, statusOf } from './status.ts';

const BEAT_EVERY_MS = 1_000;
const travel = travelKeyspace({ ack: 'sync(1)', sites: { paris: 'data', tokyo: 'data', vienna: 'witness' } });

const LIVE: Lag = { lagMs: 40, state: 'live' };

function factsOf(site: string, lag: Lag | null): SiteFacts {
  const counts = { records: 9, rows: 5, duplicate: 1, ignored: 2, alarmed: 1, stopped: [] };
  const keyspace: KeyspaceFacts = {
    keyspace: 'travel',
    version: 1,
    state: 'running',
    writer:
      site === 'paris'
        ? {
            epoch: 3,
            heads: ['3:8'],
            rows: [5],
            rowCount: 5,
            termMs: 0,
            committed: ['3:7'],
            barrierMs: 1,
            pendingBytes: 0,
          }
        : null,
    asOfMs: 1_700_000_000_000,
    origins: lag === null ? [] : [{ origin: 'paris', applied: ['3:7'], lag, ...counts }],
    copies: [{ origin: 'paris', durable: ['3:8'], behindRecords: 4, ignored: 5, stopped: [], held: [] }],
  };
  return {
    url: `http://${site}`,
    peerUrl: `http://${site}:1`,
    roles: ['writer'],
    loopLagMs: 2,
    troubles: [],
    keyspaces: [keyspace],
  };
}

function seen(site: string, state: Freshness, ageMs: number, facts: SiteFacts | null): SeenSite {
  const processes = facts === null ? [] : [{ state, ageMs, phi: null, heard: true, facts }];
  return { site, state, reason: state === 'alive' ? null : 'because', processes };
}

const NOTHING_MEASURED = { storedMs: null, appliedAgeMs: null, failing: null, behindRecords: null, failoversMs: [] };
const models = () => modelsOf({ ...NOTHING_MEASURED, lostRows: null }, { failoverMs: 4_000 });
const unread = { registerValue: () => null, lastFailover: () => null, models };

/** As paris sees it. */
function statusWith(
  sites: SeenSite[],
  own: SiteFacts = factsOf('paris', LIVE),
  value: RegisterValue | null = null,
): Status {
  const input: StatusInput = {
    cluster: 'c',
    site: 'paris',
    own,
    seen: sites,
    keyspaces: [travel],
    beatEveryMs: BEAT_EVERY_MS,
    ...unread,
    registerValue: () => value,
  };
  return statusOf(input);
}

const lags: fc.Arbitrary<Lag> = fc.oneof(
  fc.record({ lagMs: fc.nat(10_000), state: fc.constantFrom('live' as const, 'stale' as const) }),
  fc.constant({ lagMs: null, state: 'unknown' as const }),
);
const states = fc.constantFrom<Freshness>('alive', 'silent', 'unknown');

describe('status', () => {
  it('shows a lag of zero only where one was measured and just said', () => {
    fc.assert(
      fc.property(lags, states, fc.nat(600_000), (lag, state, ageMs) => {
        const shown = agedLag(lag, { state, ageMs, heard: true }, BEAT_EVERY_MS);
        if (shown.lagMs === 0)
          expect([lag.lagMs, state === 'unknown', ageMs <= BEAT_EVERY_MS]).toEqual([0, false, true]);
      }),
    );
  });

  it('a lag never shrinks by growing old, and is live only while its site is alive', () => {
    fc.assert(
      fc.property(lags, states, fc.nat(9_000), fc.nat(9_000), (lag, state, ageMs, moreMs) => {
        const earlier = agedLag(lag, { state, ageMs, heard: true }, BEAT_EVERY_MS);
        const later = agedLag(lag, { state, ageMs: ageMs + moreMs, heard: true }, BEAT_EVERY_MS);
        expect(later.lagMs ?? Number.POSITIVE_INFINITY).toBeGreaterThanOrEqual(earlier.lagMs ?? 0);
        if (later.state === 'live') expect([state, lag.state]).toEqual(['alive', 'live']);
      }),
    );
  });

  it('shows what each site said of itself', () => {
    const status = statusWith([
      seen('paris', 'alive', 300, factsOf('paris', LIVE)),
      seen('tokyo', 'alive', 900, factsOf('tokyo', LIVE)),
    ]);
    expect(status.sites[1]).toEqual({
      site: 'tokyo',
      state: 'alive',
      reason: null,
      url: 'http://tokyo',
      roles: ['writer'],
      beatAgeSeconds: 0.9,
      loopLagMs: 2,
      phi: null,
    });
    expect(status.keyspaces[0]).toMatchObject({ primary: 'paris', primaryState: 'alive', epoch: 3, ack: 'sync(1)' });
    expect(status.keyspaces[0]!.sites[1]).toEqual({
      site: 'tokyo',
      role: 'unknown',
      state: 'alive',
      phase: 'running',
      asOfMs: 1_700_000_000_000,
      origins: [
        {
          origin: 'paris',
          lagSeconds: 0.04,
          lagState: 'live',
          applied: ['3:7'],
          durable: ['3:8'],
          behindRecords: 4,
          ignored: 7,
          alarmed: 1,
          stopped: [],
        },
      ],
    });
    expect(status.keyspaces[0]!.sites[2]).toMatchObject({ role: 'witness', origins: [] });
  });

  it('with every board gone all is unknown, and this process still tells of itself', () => {
    const status = statusWith(['paris', 'tokyo', 'vienna'].map((site) => seen(site, 'unknown', 0, null)));
    expect(status.sites.map((site) => site.state)).toEqual(['unknown', 'unknown', 'unknown']);
    expect(status.keyspaces[0]).toMatchObject({ primaryState: 'unknown', epoch: 3 });
    const [paris, tokyo] = status.keyspaces[0]!.sites;
    expect(paris!.origins).toMatchObject([{ lagSeconds: 0.04 }]);
    expect(tokyo).toMatchObject({
      phase: 'unknown',
      asOfMs: null,
      origins: [{ origin: 'paris', lagSeconds: null, lagState: 'unknown' }],
    });
  });

  it('a site that fell silent keeps its last words, and its lag grows from then on', () => {
    const sites = [seen('paris', 'alive', 0, null), seen('tokyo', 'silent', 60_000, factsOf('tokyo', LIVE))];
    expect(statusWith(sites).keyspaces[0]!.sites[1]!.origins).toMatchObject([
      { lagSeconds: 59.04, lagState: 'stale', applied: ['3:7'] },
    ]);
  });

  it('a beat found lying on a board says nothing of the lag now', () => {
    const facts = factsOf('tokyo', LIVE);
    const found = {
      ...seen('tokyo', 'silent', 4_000, null),
      processes: [{ state: 'silent', ageMs: 4_000, phi: null, heard: false, facts }],
    } as const;
    expect(statusWith([found]).keyspaces[0]!.sites[1]!.origins).toMatchObject([
      { lagSeconds: null, lagState: 'unknown' },
    ]);
  });

  it('without the primary nobody knows the epoch', () => {
    const own = { ...factsOf('tokyo', LIVE), url: 'http://tokyo' };
    const input = { cluster: 'c', site: 'tokyo', own, seen: [seen('paris', 'unknown', 0, null)] };
    const status = statusOf({ ...input, ...unread, keyspaces: [travel], beatEveryMs: BEAT_EVERY_MS });
    expect(status.keyspaces[0]).toMatchObject({ epoch: null, writer: null, primaryState: 'unknown', phase: 'unknown' });
    expect(status.keyspaces[0]!.sites.map(({ role }) => role)).toEqual(['unknown', 'unknown', 'witness']);
  });

  it('who is primary, in which epoch, and what everyone is to it, the register says and nobody else', () => {
    const alive = ['paris', 'tokyo'].map((site) => seen(site, 'alive', 0, factsOf(site, LIVE)));
    const member = (site: string, state: 'ACTIVE' | 'RECOVERING') => ({ site, state, logIds: {} });
    const value: RegisterValue = {
      ...initialValue(travel),
      version: 9,
      nextEpoch: 8,
      paused: true,
      members: [member('paris', 'RECOVERING'), member('tokyo', 'ACTIVE')],
      terms: [
        { epoch: 3, site: 'paris', writerId: 'w', epochEnds: [] },
        { epoch: 6, site: 'tokyo', writerId: 'v', epochEnds: null },
      ],
    };
    const election = { epoch: 7, site: 'paris', cause: 'failover', reason: 'because' } as const;
    const [steady] = statusWith(alive, undefined, value).keyspaces;
    expect(steady).toMatchObject({ primary: 'tokyo', epoch: 6, phase: 'steady', election: null, paused: true });
    expect(steady!.sites.map(({ site, role }) => `${site} ${role}`)).toEqual([
      'paris rebuild',
      'tokyo primary',
      'vienna witness',
    ]);
    expect(steady!.sites[0]!.origins.map(({ origin }) => origin)).toContain('tokyo');
    const open = { ...value, election: { ...election, writerId: 'u', beganMs: 0, loss: null } };
    expect(statusWith(alive, undefined, open).keyspaces[0]).toMatchObject({
      primary: 'tokyo',
      phase: 'electing',
      election,
    });
  });
});
