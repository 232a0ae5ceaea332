/**
 * How fresh a read has to be, and waiting until it is: by default as it is here, `Tidemark-At-Least` for one write of
 * the reader's own, `?read=primary` for everything committed before the read arrived (protocol rule 17).
 */

import { comparePositions, formatPosition, type Position, parseToken } from '@tidemark/model/position';
import { siteNamed } from '@tidemark/model/table';
import type { Clock } from '@tidemark/platform/clock';
import { Fault } from '@tidemark/platform/fault';
import { within } from '@tidemark/platform/sync/deadline';
import { nextTurn } from '@tidemark/store/row/turn';
import type { KeyspaceApplier } from '../applier.ts';

/** What waiting for freshness needs of the site; without `requestBarrier` a read of the primary is sent there. */
type FreshnessParts = {
  readonly site: string;
  readonly clock: Clock;
  readonly readTimeoutMs: number;
  readonly requestBarrier: ((keyspace: string) => Promise<unknown>) | undefined;
  /** The site that writes a keyspace now; left out, the one it was created with. */
  readonly primaryOf: ((keyspace: string) => string | null) | undefined;
  readonly primaryUrl: ((keyspace: string) => string | null) | undefined;
};

/** What a request asks for. */
export type Wish = {
  readonly read: string | undefined;
  readonly timeoutMs: string | undefined;
  /** The token of `Tidemark-At-Least`. */
  readonly atLeast: string | undefined;
};

const TIMEOUT_MS_MAX = 600_000;

/** The waits of all readers here; barriers that several of them want at once are shared. */
export class Freshness {
  readonly #parts: FreshnessParts;
  readonly #barriers = new Map<string, BarrierCalls>();

  constructor(parts: FreshnessParts) {
    this.#parts = parts;
  }

  /**
   * Resolves once the stores here are as fresh as wished. Of those that waited, however many for the same, one goes on in each
   * turn of the event loop.
   * @param closing its signal, asked for only where something is waited for, ends the wait
   * @throws {Fault} `unavailable`: not in time, naming where it is and where it should be. `invalid`: a token or a
   *   setting that is none. `notLeader`: the primary is elsewhere.
   */
  async reach(applier: KeyspaceApplier, wish: Wish, closing: { readonly signal: AbortSignal }): Promise<void> {
    const timeoutMs = this.#timeoutMs(wish.timeoutMs);
    const read = wish.read ?? 'local';
    if (read !== 'local' && read !== 'primary') {
      throw new Fault('invalid', `read=${read}, expected local or primary`, {
        got: read,
        expected: 'local or primary',
      });
    }
    if (wish.atLeast !== undefined) await this.#atLeast(applier, wish.atLeast, timeoutMs, closing.signal);
    if (read === 'primary') await this.#atPrimary(applier, timeoutMs, closing.signal);
    if (wish.atLeast === undefined && read === 'local') return;
    await nextTurn();
    if (closing.signal.aborted)
      throw new Fault('unavailable', 'the connection is closed: nobody waits for it any more');
  }

  #timeoutMs(text: string | undefined): number {
    if (text === undefined) return this.#parts.readTimeoutMs;
    const timeoutMs = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
    if (timeoutMs <= TIMEOUT_MS_MAX) return timeoutMs;
    const expected = `whole ms from 0 to ${TIMEOUT_MS_MAX}`;
    throw new Fault('invalid', `timeoutMs=${text}, expected ${expected}`, { got: text, expected });
  }

  async #atLeast(applier: KeyspaceApplier, text: string, timeoutMs: number, signal: AbortSignal): Promise<void> {
    const { keyspace, origin, positions } = parseToken(text);
    const { name, partitions } = applier.stores.keyspace;
    if (keyspace !== name) {
      throw new Fault('invalid', `token of keyspace ${keyspace}, asked of ${name}`, { got: keyspace, expected: name });
    }
    siteNamed(applier.stores.keyspace, origin);
    for (const partition of positions.keys()) {
      if (partition >= partitions) {
        throw new Fault('invalid', `token names partition ${partition}, keyspace ${name} has ${partitions}`, {
          got: partition,
          expected: partitions,
        });
      }
    }
    const missing = (): [number, string] | undefined => {
      for (const [partition, at] of positions) {
        if (applier.origins.isCutOff(origin, partition, at)) throw cutOff(name, origin, partition, at);
        if (comparePositions(applier.origins.applied(origin, partition), at) < 0)
          return [partition, formatPosition(at)];
      }
      return undefined;
    };
    if (await applier.progress.until(() => missing() === undefined, timeoutMs, signal)) return;
    const [partition, wanted] = missing() ?? [0, ''];
    const reached = formatPosition(applier.origins.applied(origin, partition));
    throw new Fault(
      'unavailable',
      `keyspace ${name}, partition ${partition} of ${origin}: wanted ${wanted}, reached ${reached} at ${this.#parts.site} in ${timeoutMs} ms`,
      { got: reached, expected: wanted },
    );
  }

  /** A barrier appended after the read arrived, and everything before it, is applied here. */
  async #atPrimary(applier: KeyspaceApplier, timeoutMs: number, signal: AbortSignal): Promise<void> {
    const { clock, site, primaryUrl } = this.#parts;
    const { name } = applier.stores.keyspace;
    const { requestBarrier } = this.#parts;
    const primary = this.#parts.primaryOf?.(name) ?? applier.stores.keyspace.primary;
    if (primary !== site || requestBarrier === undefined)
      throw this.#elsewhere(name, primary, primaryUrl?.(name) ?? null);
    const untilMs = clock.monotonicMs() + timeoutMs;
    const call = this.#callsOf(name, requestBarrier).next();
    const appended = await within(clock, timeoutMs, call, signal);
    if (appended !== null) {
      const leftMs = (): number => Math.max(0, untilMs - clock.monotonicMs());
      const committed = applier.origins.committed(site, 0);
      const isApplied = (): boolean => comparePositions(applier.origins.applied(site, 0), committed) >= 0;
      if (await applier.progress.until(isApplied, leftMs(), signal)) {
        const barrier = applier.asOf.newest(site);
        const isReached = (): boolean => {
          const reached = applier.asOf.reached(site);
          return barrier !== null && reached !== null && comparePositions(reached.at, barrier.at) >= 0;
        };
        if (await applier.progress.until(isReached, leftMs(), signal)) return;
      }
    }
    const reached = formatPosition(applier.origins.applied(site, 0));
    const what = appended !== null ? 'the newest barrier was not applied' : 'no barrier was committed';
    throw new Fault(
      'unavailable',
      `keyspace ${name} at ${site}: ${what} in ${timeoutMs} ms; partition 0 is at ${reached}`,
      {
        got: reached,
      },
    );
  }

  #callsOf(keyspace: string, ask: (keyspace: string) => Promise<unknown>): BarrierCalls {
    const known = this.#barriers.get(keyspace);
    if (known !== undefined) return known;
    const calls = new BarrierCalls(() => ask(keyspace));
    this.#barriers.set(keyspace, calls);
    return calls;
  }

  #elsewhere(keyspace: string, primary: string, url: string | null): Fault {
    const { site } = this.#parts;
    const details = { got: site, expected: primary };
    if (url === null)
      return new Fault('unavailable', `the primary of keyspace ${keyspace} cannot be asked at ${site}`, details);
    const message = `keyspace ${keyspace} is read as of now at ${primary}, this is ${site}`;
    return new Fault('notLeader', message, { ...details, location: url });
  }
}

/** A write that was acknowledged, but whose epoch ended before it: waiting for it would never end. */
function cutOff(keyspace: string, origin: string, partition: number, at: Position): Fault {
  const place = `keyspace ${keyspace}, partition ${partition} of ${origin}`;
  const message = `${place}: the write at ${formatPosition(at)} lies beyond the epoch end of its epoch; it is in the divergent suffix, not in the table`;
  return new Fault('fenced', message, { got: formatPosition(at) });
}

/** One call under way serves all who came before it began; those who come later share the next. */
export class BarrierCalls {
  readonly #ask: () => Promise<unknown>;
  #running: Promise<unknown> | null = null;
  #next: Promise<unknown> | null = null;

  constructor(ask: () => Promise<unknown>) {
    this.#ask = ask;
  }

  /** Resolves after a call that began after this one. */
  next(): Promise<unknown> {
    if (this.#running === null) return this.#begin();
    this.#next ??= this.#running.then(
      () => this.#begin(),
      () => this.#begin(),
    );
    return this.#next;
  }

  #begin(): Promise<unknown> {
    this.#next = null;
    const call = this.#ask();
    this.#running = call;
    const done = (): void => {
      if (this.#running === call) this.#running = null;
    };
    call.then(done, done);
    return call;
  }
}
