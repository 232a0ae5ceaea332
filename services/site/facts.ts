/** Gathers what the services of this process know into what the site says of itself: on its heartbeat store, in status, in metrics. */

import type { OriginFacts as AppliedFacts, ApplierFacts } from '@tidemark/applier/facts';
import { type Heard, type Lag, lagOf } from '@tidemark/control/failover/lag';
import type { MirrorFacts } from '@tidemark/mirror/mirror-service';
import type { Clock } from '@tidemark/platform/clock';
import type { CopyFacts, KeyspaceFacts, OriginFacts, SiteFacts } from '@tidemark/watchdog/facts';
import type { Keyspaces } from './keyspaces.ts';
import { refusals, type Services } from './services.ts';

const NO_LAG: Lag = { lagMs: null, state: 'unknown' };

type FactsParts = {
  readonly services: Services;
  readonly keyspaces: Keyspaces;
  readonly roles: readonly string[];
  readonly clock: Clock;
  /** The site the register names as the one that writes; null while it has not been read. */
  readonly primaryOf: (keyspace: string) => string | null;
  /** Where clients ask this process, and other sites do. */
  readonly urls: { readonly own: string; readonly ownPeer: string };
};

/** Reads one process's facts off its services; it keeps only when barriers were seen applied. */
export class SiteFactsSource {
  readonly #parts: FactsParts;
  /** Newest barrier seen applied, and when, by keyspace and origin. */
  readonly #barriers = new Map<string, { readonly barrierMs: number; readonly heardMs: number }>();

  constructor(parts: FactsParts) {
    this.#parts = parts;
  }

  /** Asked at least once a second: when a barrier was applied is known as exactly as that. */
  read(): Omit<SiteFacts, 'loopLagMs'> {
    const { services, keyspaces, roles, urls } = this.#parts;
    return {
      url: urls.own,
      peerUrl: urls.ownPeer,
      roles,
      troubles: refusals(services),
      keyspaces: keyspaces.all().map((one) => this.#keyspace(one.name, one.version)),
    };
  }

  #keyspace(name: string, version: number): KeyspaceFacts {
    const { services, keyspaces } = this.#parts;
    const applied = services.applier?.facts(name) ?? null;
    return {
      keyspace: name,
      version,
      state: keyspaces.state(name) ?? 'starting',
      writer: services.writer?.facts(name) ?? null,
      waiting: services.writer?.waiting(name) ?? null,
      asOfMs: applied?.asOf?.ms ?? null,
      origins: applied === null ? [] : this.#origins(name, applied),
      copies: (services.mirror?.facts(name) ?? []).map(copyFacts),
    };
  }

  #origins(keyspace: string, { asOf, origins }: ApplierFacts): OriginFacts[] {
    return Object.entries(origins).map(([origin, facts]) => {
      const { applied, records, rows, duplicate, ignored, alarmed, stopped } = facts;
      // Of an origin that writes no more nothing is missing once its copy is applied: there is no lag to tell.
      const primary = this.#parts.primaryOf(keyspace);
      const isOver = primary !== null && primary !== origin && facts.caughtUp;
      const lag = isOver ? NO_LAG : this.#lag(`${keyspace}/${origin}`, asOf?.ms ?? null, facts);
      return { origin, applied, lag, records, rows, duplicate, ignored, alarmed, stopped };
    });
  }

  #lag(key: string, asOfMs: number | null, { newestBarrierMs, heardMonotonicMs, caughtUp }: AppliedFacts): Lag {
    const { clock } = this.#parts;
    const monotonicMs = clock.monotonicMs();
    // A barrier counts once everything before it is applied too, and that is what asOf says.
    const barrierMs = newestBarrierMs === null || asOfMs === null ? null : Math.min(newestBarrierMs, asOfMs);
    const before = this.#barriers.get(key);
    if (barrierMs !== null && barrierMs !== before?.barrierMs) {
      this.#barriers.set(key, { barrierMs, heardMs: Math.min(monotonicMs, heardMonotonicMs ?? monotonicMs) });
    }
    const known = this.#barriers.get(key);
    const heard: Heard | null = known === undefined ? null : { ...known, isCaughtUp: caughtUp };
    return lagOf(heard, { wallMs: clock.nowMs(), monotonicMs });
  }
}

function copyFacts({ origin, durable, behindRecords, ignored, stopped, held }: MirrorFacts): CopyFacts {
  const behind = behindRecords.reduce<number | null>(
    (sum, records) => (sum === null || records === null ? null : sum + records),
    0,
  );
  return { origin, durable, behindRecords: behind, ignored, stopped, held };
}
