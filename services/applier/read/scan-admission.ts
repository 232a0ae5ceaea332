/**
 * How many scans a process runs at once. The others wait in a short line, or are told when to come back. A place belongs to
 * whoever reads: one that has stopped reading loses it as soon as others wait, and after a while in any case.
 */

import type { Clock } from '@tidemark/platform/clock';
import { Fault } from '@tidemark/platform/fault';

type AdmissionLimits = {
  readonly runningMax: number;
  readonly waitingMax: number;
  /** Longest wait for a place. */
  readonly waitMsMax: number;
  /** A scan of which nothing is read for so long ends when others wait. */
  readonly idleMs: number;
  /** And after so long in any case. */
  readonly idleMsMax: number;
  /** A scan ends after so long, however it is read. */
  readonly runMsMax: number;
};

/** Limits that run: 6 scans at once, 24 waiting up to 5 s each, one that nobody reads loses its place. */
export const ADMISSION_LIMITS: AdmissionLimits = {
  runningMax: 6,
  waitingMax: 24,
  waitMsMax: 5_000,
  idleMs: 3_000,
  idleMsMax: 30_000,
  runMsMax: 3_600_000,
};

const LOOK_MS = 250;

/** A scan's place: it says when it waits for its reader, and is told to end by its signal. */
export class ScanPlace {
  readonly signal: AbortSignal;
  readonly beganMs: number;
  /** Since when it waits for its reader; null while it does not. */
  unreadSinceMs: number | null = null;
  readonly #stop = new AbortController();
  readonly #leave: (place: ScanPlace) => void;

  constructor(nowMs: number, caller: AbortSignal, leave: (place: ScanPlace) => void) {
    this.beganMs = nowMs;
    this.signal = AbortSignal.any([caller, this.#stop.signal]);
    this.#leave = leave;
  }

  end(why: string): void {
    this.#stop.abort(new Fault('unavailable', `scan ended: ${why}`, { retryAfterMs: 1_000 }));
    this.leave();
  }

  /** Gives the place up; again does nothing. */
  leave(): void {
    this.#leave(this);
  }
}

type Waiting = { readonly since: number; readonly go: (place: ScanPlace) => void; readonly refuse: (f: Fault) => void };

/** The places for scans in this process, given in order of arrival. */
export class ScanAdmission {
  readonly #clock: Clock;
  readonly #limits: AdmissionLimits;
  readonly #running = new Set<ScanPlace>();
  readonly #waiting: (Waiting & { readonly caller: AbortSignal })[] = [];
  #isWatching = false;
  /** Refused since the start, for want of a place. */
  refused = 0;

  constructor(clock: Clock, limits: AdmissionLimits = ADMISSION_LIMITS) {
    this.#clock = clock;
    this.#limits = limits;
  }

  get running(): number {
    return this.#running.size;
  }

  /** @throws {Fault} `unavailable`: too many run and wait already, or no place came free in time */
  enter(caller: AbortSignal): Promise<ScanPlace> {
    const { runningMax, waitingMax } = this.#limits;
    if (this.#running.size < runningMax) return Promise.resolve(this.#begin(caller));
    if (this.#waiting.length >= waitingMax) return Promise.reject(this.#full());
    return new Promise((go, refuse) => {
      this.#waiting.push({ since: this.#clock.monotonicMs(), caller, go, refuse });
      this.#watch();
    });
  }

  #begin(caller: AbortSignal): ScanPlace {
    const place = new ScanPlace(this.#clock.monotonicMs(), caller, (one) => this.#leave(one));
    this.#running.add(place);
    caller.addEventListener('abort', () => place.leave(), { once: true });
    this.#watch();
    return place;
  }

  #leave(place: ScanPlace): void {
    if (!this.#running.delete(place)) return;
    while (this.#running.size < this.#limits.runningMax) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      if (!next.caller.aborted) next.go(this.#begin(next.caller));
    }
  }

  #full(): Fault {
    this.refused++;
    const { runningMax } = this.#limits;
    const message = `${this.#running.size} scans run and ${this.#waiting.length} wait, at most ${runningMax} run at once`;
    return new Fault('unavailable', message, { retryAfterMs: 1_000 });
  }

  /** Looks after those that do not move, while there are any. */
  #watch(): void {
    if (this.#isWatching) return;
    this.#isWatching = true;
    void this.#clock.sleep(LOOK_MS).then(() => {
      this.#isWatching = false;
      this.#look(this.#clock.monotonicMs());
      if (this.#running.size > 0 || this.#waiting.length > 0) this.#watch();
    });
  }

  #look(nowMs: number): void {
    const { idleMs, idleMsMax, runMsMax, waitMsMax } = this.#limits;
    for (const place of [...this.#running]) {
      const unread = place.unreadSinceMs === null ? 0 : nowMs - place.unreadSinceMs;
      if (unread > (this.#waiting.length > 0 ? idleMs : idleMsMax))
        place.end(`nothing of it was read for ${unread} ms`);
      else if (nowMs - place.beganMs > runMsMax) place.end(`it ran for ${runMsMax} ms`);
    }
    while (this.#waiting.length > 0 && nowMs - this.#waiting[0]!.since > waitMsMax) {
      this.#waiting.shift()!.refuse(this.#full());
    }
  }
}
