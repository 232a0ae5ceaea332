/**
 * Tells the stores up to where deletions may be forgotten (protocol rule 18): below what every member that counts has
 * applied. A member that does not answer keeps what it said last, so that nothing is forgotten which it has not applied.
 */

import { type Member, newestTerm } from '@tidemark/control/consensus/register-value';
import { Peer } from '@tidemark/peer/peer';
import { placeOf } from '@tidemark/peer/place';
import type { Clock } from '@tidemark/platform/clock';
import { isFault } from '@tidemark/platform/fault';
import type { KeyspaceApplier } from '../applier.ts';
import { compareTicks, type Tick } from '../follow/closed-timestamp.ts';
import type { Membership } from '../membership.ts';
import { parseTick } from '../read/gc-watermark-text.ts';

const ASK_MS = 1_500;
/** Looked at ten times while a deletion grows old enough, but neither more often than this nor less. */
const LOOK_MS_MIN = 500;
const LOOK_MS_MAX = 60_000;

/** How far a member has applied everything, and in which epoch the barrier stands that says so. */
export type Applied = { readonly asOf: Tick | null; readonly epoch: number };

/** What members of a keyspace said they have applied, in one term. Pure. */
export class AppliedByMembers {
  readonly #epoch: number;
  readonly #reached = new Map<string, Tick>();

  constructor(epoch: number) {
    this.#epoch = epoch;
  }

  /** One that names another epoch tells nothing: what it has applied may lie beyond an epoch end, or before much that it has not. */
  learn(site: string, { asOf, epoch }: Applied): void {
    if (asOf === null || epoch !== this.#epoch) return;
    const before = this.#reached.get(site);
    if (before === undefined || compareTicks(asOf, before) > 0) this.#reached.set(site, asOf);
  }

  /** Everything with a smaller stamp is applied at all of them; null while one has said nothing. */
  least(sites: readonly string[]): Tick | null {
    let least: Tick | null = null;
    for (const site of sites) {
      const reached = this.#reached.get(site);
      if (reached === undefined) return null;
      if (least === null || compareTicks(reached, least) < 0) least = reached;
    }
    return least;
  }
}

type TombstoneGcParts = {
  readonly site: string;
  readonly clock: Clock;
  readonly membership: Membership;
  readonly keyspaces: () => readonly string[];
  /** Null while it is being opened. */
  readonly applierOf: (keyspace: string) => KeyspaceApplier | null;
  /** Deletions are kept for so long at least, by this site's clock. */
  readonly deletionsKeptMs: number;
};

/** A loop that raises the GC watermark of every keyspace here; it never lowers one. */
export class TombstoneGc {
  readonly #parts: TombstoneGcParts;
  /** By keyspace, of the term that was the newest at the last look. */
  readonly #heard = new Map<string, { readonly epoch: number; readonly applied: AppliedByMembers }>();

  constructor(parts: TombstoneGcParts) {
    this.#parts = parts;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, deletionsKeptMs, keyspaces } = this.#parts;
    const lookMs = Math.min(LOOK_MS_MAX, Math.max(LOOK_MS_MIN, deletionsKeptMs / 10));
    while (!signal.aborted) {
      await clock.sleep(lookMs, signal);
      for (const keyspace of keyspaces()) if (!signal.aborted) await this.look(keyspace);
    }
  }

  async look(keyspace: string): Promise<void> {
    const { site, clock, membership, applierOf, deletionsKeptMs } = this.#parts;
    const applier = applierOf(keyspace);
    const seen = membership.registerValue(keyspace);
    const epoch = seen === null ? undefined : newestTerm(seen)?.epoch;
    if (applier === null || seen === null || epoch === undefined) return;
    const applied = this.#appliedIn(keyspace, epoch);
    const others = counting(seen.members).filter((one) => one !== site);
    await Promise.all(others.map(async (one) => applied.learn(one, await this.#ask(keyspace, one))));
    // What was learnt is of that term, of those members and of these stores.
    const value = membership.registerValue(keyspace)!;
    if (newestTerm(value)?.epoch !== epoch || applierOf(keyspace) !== applier) return;
    // What these stores said before they were built again does not count: they have not applied it yet.
    const own = applier.asOf.epoch === epoch && applier.readGate.refusal === null ? applier.asOf.current : null;
    const elsewhere = counting(value.members).filter((one) => one !== site);
    const least = elsewhere.length === 0 ? own : applied.least(elsewhere);
    if (own === null || least === null) return;
    const old = { ms: Math.floor(clock.nowMs() - deletionsKeptMs), counter: 0 };
    if (old.ms > 0) applier.forgetBelow([own, least, old].reduce((a, b) => (compareTicks(a, b) <= 0 ? a : b)));
  }

  #appliedIn(keyspace: string, epoch: number): AppliedByMembers {
    const heard = this.#heard.get(keyspace);
    if (heard?.epoch === epoch) return heard.applied;
    const applied = new AppliedByMembers(epoch);
    this.#heard.set(keyspace, { epoch, applied });
    return applied;
  }

  async #ask(keyspace: string, site: string): Promise<Applied> {
    const peer = new Peer(this.#parts.membership.network, placeOf(site));
    const { answer } = await peer.applied(keyspace, ASK_MS);
    if (answer === null) return NOTHING;
    try {
      return { asOf: answer.asOf === null ? null : parseTick(answer.asOf), epoch: answer.asOfEpoch };
    } catch (error) {
      if (!isFault(error)) throw error;
      return NOTHING;
    }
  }
}

const NOTHING: Applied = { asOf: null, epoch: 0 };

/** One in RECOVERING folds its logs from their start, deletes too, before it counts again. */
function counting(members: readonly Member[]): string[] {
  return members.filter(({ state }) => state !== 'RECOVERING').map(({ site }) => site);
}
