/**
 * The lease of a `local` keyspace's writer (protocol rule 15): renewed at a majority of the register's acceptors, it
 * bounds how long a writer that is cut off goes on to ack what an election elsewhere will lose. No promise of a sync
 * keyspace uses it.
 */

import type { Register } from '@tidemark/control/consensus/register';
import type { Clock } from '@tidemark/platform/clock';
import { Fault } from '@tidemark/platform/fault';
import type { Elected } from '../elected.ts';

const RENEW_MS = 3_000;
/** Acceptors grant it for 15 s; the writer stops earlier by more than clocks drift apart in that time. */
const STOP_MS = 12_000;
/** So long after the register named an election no lease that was granted before it is used any more. */
export const LEASE_OVER_MS = 16_000;
const LOOK_MS = 250;
/** Wall and monotonic clock may differ so much in what they say has passed. */
const CLOCKS_APART_MS_MAX = 1_000;

type LeaseParts = {
  readonly clock: Clock;
  readonly register: Register;
  readonly keyspace: string;
  readonly elected: Elected;
  /** Told once when it has run out. */
  readonly onEnded: (error: unknown) => void;
};

/** A moment on both clocks. */
type Moment = { readonly monotonicMs: number; readonly wallMs: number };

/** True while a lease that was asked for at `since` may be used. Pure. */
export function leaseHolds(since: Moment, now: Moment): boolean {
  const passedMs = now.monotonicMs - since.monotonicMs;
  return passedMs < STOP_MS && Math.abs(now.wallMs - since.wallMs - passedMs) <= CLOCKS_APART_MS_MAX;
}

/** One term's lease, timed by this process's clocks from before it was asked for; acks look at `holds`. */
export class Lease implements AsyncDisposable {
  readonly #parts: LeaseParts;
  readonly #stop = new AbortController();
  #since: Moment;
  #isReleased = false;
  #running: Promise<unknown> = Promise.resolve();

  constructor(parts: LeaseParts) {
    this.#parts = parts;
    this.#since = this.#now();
  }

  /** Resolves once it was granted for the first time. @throws {Fault} `unavailable`: no majority grants it. */
  async start(): Promise<void> {
    if (!(await this.#renew())) {
      throw new Fault('unavailable', `keyspace ${this.#parts.keyspace}: no majority of sites grants the lease`);
    }
    this.#running = Promise.all([this.#renewing(), this.#watching()]);
  }

  /**
   * Whether it may be acked now. Looked at by each ack: a process that was stopped for a while goes on in the midst of
   * one, and before anything here has noticed that the time is over.
   */
  holds(): boolean {
    return this.#isReleased || (!this.#stop.signal.aborted && leaseHolds(this.#since, this.#now()));
  }

  /** No lease is needed any more: what is acked from now on other sites hold too. */
  release(): void {
    this.#isReleased = true;
    this.#stop.abort();
  }

  #now(): Moment {
    const { clock } = this.#parts;
    return { monotonicMs: clock.monotonicMs(), wallMs: clock.nowMs() };
  }

  async #renewing(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.#parts.clock.sleep(RENEW_MS, this.#stop.signal);
      await this.#renew();
    }
  }

  /** Counts from before it was asked for. */
  async #renew(): Promise<boolean> {
    const { register, elected } = this.#parts;
    const since = this.#now();
    const { granted } = await register.lease(elected);
    if (granted) this.#since = since;
    return granted;
  }

  async #watching(): Promise<void> {
    const { clock, keyspace, elected, onEnded } = this.#parts;
    while (!this.#stop.signal.aborted) {
      await clock.sleep(LOOK_MS, this.#stop.signal);
      if (this.#stop.signal.aborted || leaseHolds(this.#since, this.#now())) continue;
      this.#stop.abort();
      onEnded(new Fault('fenced', `keyspace ${keyspace}: the lease of epoch ${elected.epoch} ran out`));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}
