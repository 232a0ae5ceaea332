/** Repeating a request until it is answered for certain or its time is up. */

import { Fault, isFault, isRefusal, messageOf } from '@tidemark/platform/fault';
import type { Random } from '@tidemark/platform/random';
import { exchange, type Network, type Reply, type Request } from './exchange.ts';
import type { Sites } from './sites.ts';

/** What repeating a request needs: ways out, chance for back-off, the sites, and limits in ms. */
export type Caller = Network & {
  readonly random: Random;
  readonly sites: Sites;
  /** How long a request is repeated before it is given up. */
  readonly timeoutMs: number;
  /** Longest silence of one site before another try. */
  readonly idleMs: number;
  /** Aborted when the connection is closed: what is under way is given up. */
  readonly closing: AbortSignal;
};

const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 1_000;
/** While no site is the primary, as during a failover: asking is cheap, and every pause is one of the writes'. */
const LONGEST_PAUSE_WITHOUT_PRIMARY_MS = 200;
/** A primary that has been silent for so long may have a successor; from then on that is asked again and again. */
const SILENCE_MS = 1_000;
const SILENCE_EVERY_MS = 500;
/** Sites may name each other in a circle for the moment of a failover. */
const REDIRECTS_IN_A_ROW_MAX = 4;

/** Pause before the next try: doubles up to a second, between half and all of it by chance, or as long as the site asked. */
export function pauseMs(failures: number, random: Random, askedMs = 0, longestMs = LONGEST_PAUSE_MS): number {
  const ceilingMs = Math.min(longestMs, FIRST_PAUSE_MS * 2 ** Math.min(failures, 10));
  return Math.max(askedMs, ceilingMs * (0.5 + random.fraction() / 2));
}

/**
 * Sends a write to the keyspace's primary and hands its answer to `read`. It follows redirects, looks for the new
 * primary when the old one is gone or silent, and repeats under the same `Idempotency-Key`, which makes repeating harmless.
 *
 * @param read takes the whole answer and disposes it; a Fault it throws counts like one of the request
 * @throws {Fault} `unavailable`: given up, certainly not stored. `unknown`: given up, may be stored; sending the same
 *   request under the same key again is safe. `keyForgotten`: may be stored, and the key is too old to tell.
 *   Refusals and `corrupt`: the site's own answer.
 */
export async function sendAndRead<T>(
  caller: Caller,
  keyspace: string,
  request: Request,
  read: (reply: Reply) => Promise<T>,
): Promise<T> {
  const { clock, sites } = caller;
  const startMs = clock.monotonicMs();
  let mayBeStored = false;
  let sentMs: number | null = null;
  let redirects = 0;
  let hasPrimary = true;
  for (let failures = 0; ; ) {
    const site = sites.primaryOf(keyspace);
    const leftMs = startMs + caller.timeoutMs - clock.monotonicMs();
    using patience = new Patience(caller, keyspace, site);
    const repeated = sentMs === null ? request : withAge(request, clock.monotonicMs() - sentMs);
    sentMs ??= clock.monotonicMs();
    try {
      const reply = await exchange(
        caller,
        site,
        repeated,
        Math.max(1, Math.min(caller.idleMs, leftMs)),
        AbortSignal.any([patience.signal, caller.closing]),
      );
      return await read(reply);
    } catch (error) {
      if (!isFault(error)) throw error;
      const { location, expected } = error.details;
      if (location !== undefined && redirects < REDIRECTS_IN_A_ROW_MAX) {
        redirects++;
        await sites.learnPrimary(keyspace, location, expected);
        continue;
      }
      redirects = 0;
      if (location === undefined && isFinal(error)) throw mayBeStored && isRefusal(error) ? refusedLate(error) : error;
      // A fenced writer may have appended before it was fenced, and the new one may have kept it.
      if (error.kind === 'unknown' || error.kind === 'fenced') mayBeStored = true;
      const longestMs = hasPrimary ? LONGEST_PAUSE_MS : LONGEST_PAUSE_WITHOUT_PRIMARY_MS;
      const waitMs = pauseMs(failures++, caller.random, error.details.retryAfterMs, longestMs);
      if (caller.closing.aborted || clock.monotonicMs() + waitMs - startMs >= caller.timeoutMs)
        throw givenUp(error, mayBeStored, Math.min(caller.timeoutMs, clock.monotonicMs() - startMs));
      // The answer of a site that has a successor is not waited for, and the successor waits for nobody.
      if (!patience.signal.aborted) await clock.sleep(waitMs, caller.closing);
      hasPrimary = await sites.findPrimary(keyspace, site);
    }
  }
}

/** Says how long ago its key was first sent: a site that knows keys for less time does not take it for a new one. */
function withAge(request: Request, ageMs: number): Request {
  const { headers = {} } = request;
  if (headers['idempotency-key'] === undefined) return request;
  return { ...request, headers: { ...headers, 'tidemark-key-age-ms': String(Math.ceil(ageMs)) } };
}

/** Aborts a request whose site keeps silent, once another site is the primary. Dispose it when the request is over. */
class Patience implements Disposable {
  readonly #moved = new AbortController();
  readonly #over = new AbortController();

  constructor(caller: Caller, keyspace: string, site: string) {
    void this.#watch(caller, keyspace, site);
  }

  get signal(): AbortSignal {
    return this.#moved.signal;
  }

  async #watch({ clock, sites }: Caller, keyspace: string, site: string): Promise<void> {
    const over = this.#over.signal;
    await clock.sleep(SILENCE_MS, over);
    while (!over.aborted && !(await sites.hasMoved(keyspace, site))) await clock.sleep(SILENCE_EVERY_MS, over);
    if (!over.aborted) this.#moved.abort();
  }

  [Symbol.dispose](): void {
    // With a reason of its own: the default one is an exception with a stack, for every request.
    this.#over.abort(null);
  }
}

/** Whether no repeat changes it: refused, wrong on the disk there, or nobody can tell any more whether it was done. */
function isFinal(error: Fault): boolean {
  return isRefusal(error) || error.kind === 'corrupt' || error.kind === 'keyForgotten';
}

/** A refusal says that nothing was done, and this one speaks of the repeat alone. */
function refusedLate(refusal: Fault): Fault {
  const message = `it may be stored: an earlier try was not answered, and its repeat was refused: ${refusal.message}`;
  return new Fault('unknown', message, { ...refusal.details, cause: refusal });
}

function givenUp(last: Fault, mayBeStored: boolean, timeoutMs: number): Fault {
  const verdict = mayBeStored ? 'it may be stored' : 'it is not stored';
  return new Fault(
    mayBeStored ? 'unknown' : 'unavailable',
    `given up after ${Math.round(timeoutMs)} ms, ${verdict}: ${last.message}`,
    {
      ...last.details,
      cause: last,
    },
  );
}

/** As `sendAndRead`, for those who read the answer themselves; they dispose it. */
export function sendWrite(caller: Caller, keyspace: string, request: Request): Promise<Reply> {
  return sendAndRead(caller, keyspace, request, async (reply) => reply);
}

/** Where a read may be answered: one site, the keyspace's primary, or any that answers. */
export type ReadFrom = { readonly site: string } | { readonly primaryOf: string } | 'any';

/**
 * Sends a request that changes nothing, and returns its answer for reading. It is repeated, at another site where any
 * will do, until an answer begins; the caller disposes the answer.
 * @throws {Fault} refusals and `corrupt`: the site's own answer. `unavailable`: no site answered in time.
 */
export async function sendRead(caller: Caller, from: ReadFrom, request: Request): Promise<Reply> {
  const { clock, sites } = caller;
  const startMs = clock.monotonicMs();
  for (let failures = 0; ; ) {
    const site = from === 'any' ? sites.reader : 'site' in from ? from.site : sites.primaryOf(from.primaryOf);
    const leftMs = startMs + caller.timeoutMs - clock.monotonicMs();
    try {
      return await exchange(caller, site, request, Math.max(1, Math.min(caller.idleMs, leftMs)), caller.closing);
    } catch (error) {
      if (!isFault(error)) throw error;
      if (error.details.location === undefined && isFinal(error)) throw error;
      const waitMs = pauseMs(failures++, caller.random, error.details.retryAfterMs);
      if (caller.closing.aborted || clock.monotonicMs() + waitMs - startMs >= caller.timeoutMs) {
        throw new Fault('unavailable', `no answer within ${caller.timeoutMs} ms: ${messageOf(error)}`, {
          ...error.details,
          cause: error,
        });
      }
      const { location, expected } = error.details;
      if (from === 'any') sites.readElsewhere();
      else if ('primaryOf' in from && location !== undefined)
        await sites.learnPrimary(from.primaryOf, location, expected);
      await clock.sleep(waitMs, caller.closing);
      if (from !== 'any' && 'primaryOf' in from && location === undefined)
        await sites.findPrimary(from.primaryOf, site);
    }
  }
}
