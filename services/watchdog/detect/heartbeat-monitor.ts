/** Reads every site's heartbeat store four times a second and keeps what it heard. A heartbeat store that hangs or is gone delays no other. */

import { BEATS_OF_THE_LIVING } from '@tidemark/control/consensus/twins';
import { Arrivals, type Freshness } from '@tidemark/control/failover/freshness';
import { hear, NOT_HEARD, type PhiState, phiOf } from '@tidemark/control/failover/phi';
import type { Beat, HeartbeatStore } from '@tidemark/control/heartbeats/heartbeat-store';
import type { Clock } from '@tidemark/platform/clock';
import { isFault } from '@tidemark/platform/fault';
import { type SiteFacts, siteFactsOf } from '../facts.ts';

const READ_EVERY_MS = 250;
/** Five beats may be missing; exactly this long is still alive. */
export const SILENCE_MS_MAX = 3_000;

/** One process of a site, as its heartbeat store shows it. */
export type SeenProcess = {
  readonly state: Freshness;
  /** Time since a new beat of it arrived here; since its only beat was first seen when none did. */
  readonly ageMs: number;
  /** How surprising its silence is, of a process at this process's own site; null: not told of, or not heard often enough. */
  readonly phi: number | null;
  /** False while all that is known of it is a beat found lying on the heartbeat store, however old that may be. */
  readonly heard: boolean;
  /** The last it said; null when that cannot be read. */
  readonly facts: SiteFacts | null;
};

/** A site, as its heartbeat store shows it. */
export type SeenSite = {
  readonly site: string;
  /** `alive` only when every process is; `unknown` when nothing is known of one. */
  readonly state: Freshness;
  /** Why it is not alive; null when it is. */
  readonly reason: string | null;
  readonly processes: readonly SeenProcess[];
};

type HeartbeatMonitorParts = {
  /** The own one: of its processes the silence is measured by phi. */
  readonly site: string;
  readonly boards: ReadonlyMap<string, HeartbeatStore>;
  readonly clock: Clock;
  /** Told what each process says whenever a heartbeat store was read, and when its newest beat arrived (monotonic). */
  readonly onFacts?: (site: string, facts: SiteFacts, arrivedMs: number) => void;
  /** Told the living processes of the own site whenever its heartbeat store was read. */
  readonly onLiving?: (beats: readonly Beat[]) => void;
};

/** The heartbeats of all sites as this process saw them arrive, on its own clock. */
export class HeartbeatMonitor {
  readonly #parts: HeartbeatMonitorParts;
  readonly #arrivals = new Arrivals(SILENCE_MS_MAX);
  /** Processes that were alive at some time. */
  readonly #heard = new Set<string>();
  readonly #phis = new Map<string, PhiState>();
  /** Why a heartbeat store could not be read the last time. */
  readonly #troubles = new Map<string, string>();

  constructor(parts: HeartbeatMonitorParts) {
    this.#parts = parts;
  }

  /** Reads all heartbeat stores until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([...this.#parts.boards].map(([site, board]) => this.#follow(site, board, signal)));
  }

  async #follow(site: string, board: HeartbeatStore, signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    while (!signal.aborted) {
      try {
        this.#arrivals.observe(site, await board.beats(), clock.monotonicMs());
        this.#troubles.delete(site);
        for (const role of this.#arrivals.roles(site)) {
          if (this.#arrivals.state(site, role, clock.monotonicMs()) === 'alive')
            this.#heard.add(this.#name(site, role));
          if (site === this.#parts.site) this.#hearOwn(site, role);
        }
        this.#tellFacts(site);
        if (site === this.#parts.site) {
          this.#parts.onLiving?.(this.#arrivals.living(site, BEATS_OF_THE_LIVING, clock.monotonicMs()));
        }
      } catch (error) {
        if (!isFault(error)) throw error;
        this.#troubles.set(site, error.message);
      }
      await clock.sleep(READ_EVERY_MS, signal);
    }
  }

  #hearOwn(site: string, role: string): void {
    const nowMs = this.#parts.clock.monotonicMs();
    const name = this.#name(site, role);
    const arrivedMs = nowMs - (this.#arrivals.ageMs(site, role, nowMs) ?? 0);
    const state = this.#phis.get(name) ?? NOT_HEARD;
    if (state.heardMs === null || arrivedMs > state.heardMs) this.#phis.set(name, hear(state, arrivedMs));
  }

  #tellFacts(site: string): void {
    const { onFacts, clock } = this.#parts;
    const nowMs = clock.monotonicMs();
    for (const { facts, heard, ageMs } of this.site(site).processes) {
      if (facts !== null && heard) onFacts?.(site, facts, nowMs - ageMs);
    }
  }

  #name(site: string, role: string): string {
    return `${site}/${role}/${this.#arrivals.latest(site, role)?.process}`;
  }

  /** What is known now, from memory: it never waits for a heartbeat store. */
  sites(): SeenSite[] {
    return [...this.#parts.boards.keys()].map((site) => this.site(site));
  }

  site(site: string): SeenSite {
    const nowMs = this.#parts.clock.monotonicMs();
    const processes = this.#arrivals.roles(site).map((role): SeenProcess => {
      const beat = this.#arrivals.latest(site, role);
      const ageMs = this.#arrivals.ageMs(site, role, nowMs) ?? 0;
      const state = this.#arrivals.state(site, role, nowMs);
      const name = this.#name(site, role);
      const phi = phiOf(this.#phis.get(name) ?? NOT_HEARD, nowMs);
      return { state, ageMs, phi, heard: this.#heard.has(name), facts: beat && siteFactsOf(beat.facts) };
    });
    const state = worst(processes.map((process) => process.state));
    return { site, state, reason: state === 'alive' ? null : this.#reason(site, state, processes), processes };
  }

  #reason(site: string, state: Freshness, processes: readonly SeenProcess[]): string {
    const trouble = this.#troubles.get(site);
    const ageMs = Math.max(0, ...processes.map((process) => process.ageMs));
    if (state === 'silent') return `no new heartbeat for ${Math.round(ageMs / 100) / 10} s`;
    if (trouble !== undefined) return trouble;
    return processes.length === 0 ? 'no heartbeat on its board' : 'its heartbeat was not seen to change yet';
  }

  /**
   * When a new beat of the site last arrived, on this process's monotonic clock; null: none was ever seen to change. Where
   * its writer is a process of its own, that one's.
   */
  beatHeardMs(site: string): number | null {
    const nowMs = this.#parts.clock.monotonicMs();
    const heard = this.site(site).processes.filter((process) => process.heard);
    const writing = heard.filter(({ facts }) => facts?.roles.includes('writer') === true);
    const ages = (writing.length > 0 ? writing : heard).map(({ ageMs }) => ageMs);
    return ages.length === 0 ? null : nowMs - Math.min(...ages);
  }

  /** True where a process of the site was seen that does not watch: then its processes have addresses of their own. */
  isSplit(site: string): boolean {
    return this.site(site).processes.some(({ facts }) => facts?.roles.includes('watchdog') === false);
  }

  /**
   * The address a site gave for its HTTP in its last heartbeat, however old; null when none was seen.
   * @param role only of a process that has this role
   */
  urlOf(site: string, role?: string): string | null {
    return this.#newest(site, role)?.url ?? null;
  }

  /** Where it answers other sites, likewise. */
  peerUrlOf(site: string, role?: string): string | null {
    return this.#newest(site, role)?.peerUrl ?? null;
  }

  #newest(site: string, role?: string): SiteFacts | null {
    const said = this.#arrivals
      .roles(site)
      .map((one) => this.#arrivals.latest(site, one))
      .filter((beat) => beat !== null)
      .map(({ timeMs, facts }) => ({ timeMs, facts: siteFactsOf(facts) }))
      .filter(({ facts }) => role === undefined || facts?.roles.includes(role) === true)
      .sort((a, b) => b.timeMs - a.timeMs);
    return said[0]?.facts ?? null;
  }
}

function worst(states: readonly Freshness[]): Freshness {
  if (states.length === 0 || states.includes('unknown')) return 'unknown';
  return states.includes('silent') ? 'silent' : 'alive';
}
