/**
 * Watchdogs of several sites in one process, for tests: a clock that moves when told to, links that can be cut one way or
 * both, a primary that beats, writes barriers and answers probes while it lives, and processes that can be paused.
 */

import type { Decision } from '@tidemark/control/audit/decision';
import type { RegisterValue } from '@tidemark/control/consensus/register-value';
import { initialValue, newestTerm } from '@tidemark/control/consensus/register-value';
import { AGREEMENT_RULES } from '@tidemark/control/failover/agreement';
import { POLICY_RULES } from '@tidemark/control/failover/failover-policy';
import { SUSPICION_RULES } from '@tidemark/control/failover/suspicion';
import type { Keyspace } from '@tidemark/model/table';
import { travelKeyspace } from '@tidemark/model/testing/travel';
import { Peer } from '@tidemark/peer/peer';
import { placeOf } from '@tidemark/peer/place';
import { ROUTES } from '@tidemark/peer/routes';
import type { Clock } from '@tidemark/platform/clock';
import { Fault } from '@tidemark/platform/fault';
import { SILENT } from '@tidemark/platform/logger';
import type { Answer, Network } from '@tidemark/platform/network';
import { SeededRandom } from '@tidemark/platform/random';
import { SimClock } from '@tidemark/platform/sim/sim-clock';
import { FailureDetector } from '../detect/failure-detector.ts';
import { FailoverCoordinator } from '../failover/failover-coordinator.ts';

const KS = 'travel';

export function travel(sites: Readonly<Record<string, 'data' | 'witness'>>, ack = 'sync(1)'): Keyspace {
  return travelKeyspace({ sites, ack });
}

/** The register once paris leads in epoch 1 and everyone is whole. */
export function steady(keyspace: Keyspace, change: Partial<RegisterValue> = {}): RegisterValue {
  const value = initialValue(keyspace);
  return {
    ...value,
    version: 2,
    nextEpoch: 2,
    members: value.members.map(({ site }) => ({ site, state: 'ACTIVE', logIds: { paris: `${site}-of-paris` } })),
    terms: [{ epoch: 1, site: 'paris', writerId: 'w', epochEnds: null }],
    ...change,
  };
}

/** A process's clock: while it is paused nothing in it goes on. */
class PausableClock implements Clock {
  readonly #clock: SimClock;
  readonly #isPaused: () => boolean;

  constructor(clock: SimClock, isPaused: () => boolean) {
    this.#clock = clock;
    this.#isPaused = isPaused;
  }

  nowMs(): number {
    return this.#clock.nowMs();
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    await this.#clock.sleep(ms, signal);
    while (this.#isPaused() && signal?.aborted !== true) await this.#clock.sleep(20, signal);
  }
}

export type Nomination = { readonly by: string; readonly to: string; readonly atMs: number; readonly version: number };

type Watcher = { readonly detector: FailureDetector; readonly coordinator: FailoverCoordinator };

export class Town {
  readonly clock = new SimClock();
  readonly sites: readonly string[];
  readonly nominations: Nomination[] = [];
  readonly decisions: Decision[] = [];
  readonly paused = new Set<string>();
  readonly dead = new Set<string>();
  /** `from>to`: what the one sends does not reach the other. */
  readonly cut = new Set<string>();
  /** Sites that answer others and get no answer from them. */
  readonly deaf = new Set<string>();
  /** Sites whose HTTP answers nobody. */
  readonly mute = new Set<string>();
  /** False: every Redis is gone. */
  boards = true;
  /** The primary's process lives, and its writer does not. */
  writes = true;
  value: RegisterValue;
  /** What a candidate answers to a nomination. */
  answer: Answer = { status: 202, body: { accepted: true } };
  readonly #keyspace: Keyspace;
  readonly #random: SeededRandom;
  readonly #watchers = new Map<string, Watcher>();
  readonly #barriers = new Map<string, { epoch: number; heardMs: number; ageMs: number }>();
  readonly #beats = new Map<string, number>();
  readonly #stop = new AbortController();
  readonly #running: Promise<unknown>[] = [];

  constructor(keyspace: Keyspace, value: RegisterValue, seed = 1) {
    this.#keyspace = keyspace;
    this.#random = new SeededRandom(seed);
    this.value = value;
    this.sites = keyspace.sites.map(({ name }) => name);
    for (const site of this.sites) this.#watchers.set(site, this.#watcher(site));
    const { signal } = this.#stop;
    for (const { detector } of this.#watchers.values()) this.#running.push(detector.run(signal));
    this.#running.push(this.#term(), this.#beat());
  }

  detector(site: string): FailureDetector {
    return this.#watchers.get(site)!.detector;
  }

  /** Cuts, or heals, everything between two groups of sites, in both ways. */
  link(these: readonly string[], those: readonly string[], up: boolean): void {
    for (const a of these) {
      for (const b of those) {
        for (const way of [`${a}>${b}`, `${b}>${a}`])
          if (up) this.cut.delete(way);
          else this.cut.add(way);
      }
    }
  }

  /** As a candidate does that won: the register names it. */
  promote(site: string): void {
    const { value } = this;
    const epoch = value.nextEpoch;
    const closed = value.terms.map((term) => ({ ...term, epochEnds: term.epochEnds ?? [] }));
    this.value = {
      ...value,
      version: value.version + 2,
      nextEpoch: epoch + 1,
      terms: [...closed, { epoch, site, writerId: `w${epoch}`, epochEnds: null }],
      lastFailover: { epoch, atMs: this.clock.nowMs() },
    };
  }

  #watcher(site: string): Watcher {
    const clock = new PausableClock(this.clock, () => this.paused.has(site));
    const rules = { ...SUSPICION_RULES, ...AGREEMENT_RULES, ...POLICY_RULES };
    const network: Network = {
      async *lines() {},
      ask: (url, body, timeoutMs) => this.#ask(site, url, body, timeoutMs),
    };
    const random = new SeededRandom(site.length);
    const watcherAt = (name: string): Peer => new Peer(network, placeOf(name));
    const common = { site, sites: this.sites, watcherAt, clock, random, logger: SILENT, rules };
    const registerValue = (): RegisterValue => this.value;
    const isData = this.#keyspace.sites.some(({ name, role }) => name === site && role === 'data');
    const coordinator: FailoverCoordinator = new FailoverCoordinator({
      ...common,
      writerAt: watcherAt,
      registerValue,
      healthVote: (keyspace) => detector.healthVote(keyspace),
      record: (decision) => this.decisions.push(decision),
    });
    const detector: FailureDetector = new FailureDetector({
      ...common,
      keyspaces: () => [this.#keyspace],
      registerValue,
      barrier: (_, origin) => (isData ? (this.#barriers.get(`${origin}>${site}`) ?? null) : undefined),
      beatHeardMs: (of) => this.#beats.get(`${of}>${site}`) ?? null,
      onSuspicion: (keyspace) => this.#running.push(coordinator.round(keyspace)),
      onHeard: (keyspace) => coordinator.forget(keyspace),
      process: site,
      onWord: () => {},
    });
    return { detector, coordinator };
  }

  #lives(site: string): boolean {
    return !this.dead.has(site) && !this.paused.has(site);
  }

  #delayMs(): number {
    return 2 + this.#random.fraction() * 80;
  }

  async #ask(from: string, url: string, body: object | null, timeoutMs: number): Promise<Answer> {
    const [, to, path] = /^site:\/\/(\w+)(\/.*)$/.exec(url)! as unknown as [string, string, string];
    const untilMs = this.clock.monotonicMs() + timeoutMs;
    const lost = async (): Promise<never> => {
      await this.clock.sleep(untilMs - this.clock.monotonicMs(), this.#stop.signal);
      throw new Fault('unknown', `${url}: no answer within ${timeoutMs} ms`);
    };
    if (this.dead.has(to)) {
      const cause = Object.assign(new Error('connection refused'), { code: 'ECONNREFUSED' });
      throw new Fault('unknown', `${url}: ${cause.message}`, { cause });
    }
    await this.clock.sleep(this.#delayMs(), this.#stop.signal);
    if (this.mute.has(to) || this.deaf.has(from) || this.cut.has(`${from}>${to}`) || !this.#lives(to)) return lost();
    const answer = this.#answer(from, to, path, body);
    await this.clock.sleep(this.#delayMs(), this.#stop.signal);
    if (this.cut.has(`${to}>${from}`)) return lost();
    return answer;
  }

  #answer(by: string, to: string, path: string, body: object | null): Answer {
    if (path.startsWith(ROUTES.ping.path)) return { status: 200, body: { site: to, timeMs: this.clock.nowMs() } };
    if (path.startsWith('/v1/internal/healthVote/')) return { status: 200, body: this.detector(to).healthVote(KS) };
    if (path.startsWith('/v1/internal/copies/')) {
      const positions = [[1, to === 'tokyo' ? 9 : 5, 'c']];
      const copy = { origin: 'paris', logId: `${to}-of-paris`, trusted: true, vouched: 'itself', positions };
      return { status: 200, body: { site: to, copies: [copy] } };
    }
    const { version } = body as { readonly version: number };
    if (this.answer.status === 202) this.nominations.push({ by, to, atMs: this.clock.monotonicMs(), version });
    return this.answer;
  }

  /** The primary's barriers reach the mirrors: from it to them. */
  async #term(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const term = newestTerm(this.value);
      const primary = term?.site ?? '';
      for (const site of this.sites) {
        if (term === null || !this.#lives(primary) || !this.writes || this.cut.has(`${primary}>${site}`)) continue;
        this.#barriers.set(`${primary}>${site}`, { epoch: term.epoch, heardMs: this.clock.monotonicMs(), ageMs: 5 });
      }
      await this.clock.sleep(1_000, this.#stop.signal);
    }
  }

  /** Every site's beats, as the others read them. */
  async #beat(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      for (const from of this.sites) {
        for (const to of this.sites) {
          if (!this.boards || !this.#lives(from) || this.cut.has(`${from}>${to}`)) continue;
          this.#beats.set(`${from}>${to}`, this.clock.monotonicMs());
        }
      }
      await this.clock.sleep(500, this.#stop.signal);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.paused.clear();
    await this.clock.advance(100);
    await Promise.all(this.#running);
  }
}
