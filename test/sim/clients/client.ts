/**
 * A client: writes with idempotency keys and reads, through the sites' own HTTP, at whatever site it takes for the
 * primary; it follows redirects and tries again. Everything it hears goes into the history.
 */

import { isFault } from '@tidemark/platform/fault';
import { integerBetween, type Random } from '@tidemark/platform/random';
import type { History, ReadEntry, WriteEntry } from '../check/history.ts';
import { placeOf, type Reply, type Request } from '../cluster/exchange.ts';
import type { SimWorld } from '../world.ts';

export const KEYSPACE = 'ks';
export const KEYS = ['a', 'b', 'c'];
/** Each write sets a row of its own besides the two it shares with all writes of its key. */
export const MARKS_FROM = 10;
/** How many rows a write sets to its value; it may delete one more. */
export const ROWS = 3;
const ASK_MS = 3_000;
const HEAR_MS = 4_000;
const GIVE_UP_MS = 12_000;
const TWICE_RATE = 0.15;
const TWICE_MS_MAX = 6;
/** Share of acked writes after which the client uses their key for something else. */
const MISUSE_RATE = 0.1;

export type ClientRules = {
  readonly name: string;
  /** Longest pause between two operations. */
  readonly thinkMs: number;
  /** Share of operations that write. */
  readonly writeRate: number;
};

/** `lost`: no answer came, so it may have been done. */
type Heard = Reply | 'lost';

export class SimClient {
  isStopped = false;
  readonly #world: SimWorld;
  readonly #rules: ClientRules;
  readonly #history: History;
  readonly #random: Random;
  readonly #deletes: Random;
  readonly #mistakes: Random;
  /** Key → the newest write of its own that was acked. */
  readonly #own = new Map<string, WriteEntry>();
  #primary: string;
  #count = 0;

  constructor(world: SimWorld, rules: ClientRules, history: History) {
    this.#world = world;
    this.#rules = rules;
    this.#history = history;
    this.#random = world.random.of(`client ${rules.name}`);
    this.#deletes = world.random.of(`deletes of ${rules.name}`);
    this.#mistakes = world.random.of(`mistakes of ${rules.name}`);
    this.#primary = world.siteNames[0]!;
  }

  async run(): Promise<void> {
    const { scheduler } = this.#world;
    const { thinkMs, writeRate } = this.#rules;
    while (!this.isStopped) {
      await scheduler.sleep(integerBetween(this.#random, 1, thinkMs));
      const key = KEYS[integerBetween(this.#random, 0, KEYS.length - 1)]!;
      const dice = this.#random.fraction();
      if (dice < writeRate) await this.write(key);
      else if (dice < (1 + writeRate) / 2) await this.#readPrimary(key);
      else await this.#readLocal(key);
    }
  }

  /** One write, tried until it is acked, refused for good, or given up. */
  async write(key: string): Promise<WriteEntry> {
    const { scheduler, trace } = this.#world;
    const { name } = this.#rules;
    const id = `${name}-${++this.#count}`;
    const more = Object.fromEntries([...this.#world.columns.there].map((column) => [column, id]));
    // A row that deletes has no columns: it would be taken where a loss took one, and the others are refused.
    const isPlain = Object.keys(more).length === 0;
    const entry: WriteEntry = {
      id,
      client: name,
      key,
      mark: MARKS_FROM + this.#history.writes.length,
      deletes: isPlain ? this.#markToDelete(key) : null,
      invokedMs: scheduler.nowMs,
      outcome: 'under way',
      returnedMs: Number.POSITIVE_INFINITY,
      token: null,
    };
    this.#history.writes.push(entry);
    let maybe = false;
    const rows: object[] = [1, 2, entry.mark].map((n) => ({ k: key, n, v: id, ...more }));
    if (entry.deletes !== null) rows.push({ k: key, n: entry.deletes, $delete: true });
    const path = `/v1/${KEYSPACE}/t/rows?timeoutMs=${ASK_MS}`;
    const request: Request = { method: 'POST', path, headers: { 'idempotency-key': id }, body: { rows } };
    const untilMs = scheduler.nowMs + GIVE_UP_MS;
    while (entry.outcome === 'under way') {
      const heard = await this.#askTwice(this.#primary, request);
      const status = heard === 'lost' ? 0 : heard.status;
      if (heard !== 'lost' && status === 200) {
        entry.token = (heard.body as { readonly token: string }).token;
        entry.returnedMs = scheduler.nowMs;
        entry.outcome = 'acked';
        this.#own.set(key, entry);
      } else if (heard !== 'lost' && status === 400) {
        const words = `${id} refused: ${JSON.stringify(heard.body)}`;
        trace.note(name, words);
        // What was acked by other sites too is known to every later writer; else a column may be gone as rows may.
        const { k, degradeTo } = this.#world.shape;
        const isOfColumn = /column/.test(words);
        if (isOfColumn && k > 0 && degradeTo === k) this.#world.fail('I16', words);
        if (isOfColumn) this.#world.columns.there.clear();
        entry.outcome = maybe ? 'unknown' : 'failed';
      } else {
        maybe ||= status !== 307 && status !== 503 && status !== 404;
        const isTired = status !== 307 && this.#random.fraction() < (maybe ? 0.2 : 0.1);
        const isOver = scheduler.nowMs > untilMs || isTired;
        if (isOver) entry.outcome = maybe ? 'unknown' : 'failed';
        else await this.#turnTo(heard);
      }
    }
    trace.note(name, `write ${id} to ${key}: ${entry.outcome} ${entry.token ?? ''}`);
    if (entry.outcome === 'acked' && this.#mistakes.fraction() < MISUSE_RATE) await this.#misuse(entry, request);
    return entry;
  }

  /** Sends something else under the key of a write that was acked by other sites too: it must not be answered as done. */
  async #misuse({ id, key, mark }: WriteEntry, request: Request): Promise<void> {
    const { k, degradeTo } = this.#world.shape;
    if (k === 0 || degradeTo < k) return;
    const heard = await this.#ask(this.#primary, { ...request, body: { rows: [{ k: key, n: mark, v: `not ${id}` }] } });
    if (heard !== 'lost' && heard.status === 200) this.#world.fail('key', `${id} was acked again for other rows`);
  }

  /** The row of an own write that was acked; of many, mostly one of the first that are left. */
  #markToDelete(key: string): number | null {
    if (this.#world.shape.forgetsAfterMs === null || this.#deletes.fraction() < 0.3) return null;
    const own = this.#history.writes.filter((write) => write.client === this.#rules.name && write.key === key);
    const gone = new Set(own.map(({ deletes }) => deletes));
    const left = own.filter(({ mark, outcome }) => outcome === 'acked' && !gone.has(mark));
    return left[integerBetween(this.#deletes, 0, Math.max(0, left.length - 1))]?.mark ?? null;
  }

  /** Reads at the primary; one that was not answered is no part of the history. */
  async #readPrimary(key: string): Promise<void> {
    const { scheduler } = this.#world;
    const invokedMs = scheduler.nowMs;
    const path = `/v1/${KEYSPACE}/t/rows/${key}?read=primary&timeoutMs=${ASK_MS}`;
    for (let attempt = 0; attempt < 4; attempt++) {
      const site = this.#primary;
      const heard = await this.#ask(site, { method: 'GET', path });
      if (heard !== 'lost' && heard.status === 200) {
        this.#took({ key, site, level: 'primary', after: null, invokedMs }, heard);
        return;
      }
      await this.#turnTo(heard);
    }
  }

  /** Reads at any site, half the time asking for its own last write. */
  async #readLocal(key: string): Promise<void> {
    const { scheduler, siteNames } = this.#world;
    const site = siteNames[integerBetween(this.#random, 0, siteNames.length - 1)]!;
    const own = this.#own.get(key) ?? null;
    const after = this.#random.fraction() < 0.5 ? own : null;
    const headers = after === null ? {} : { 'tidemark-at-least': after.token! };
    const path = `/v1/${KEYSPACE}/t/rows/${key}?timeoutMs=${ASK_MS}`;
    const invokedMs = scheduler.nowMs;
    const heard = await this.#ask(site, { method: 'GET', path, headers });
    if (heard === 'lost' || heard.status !== 200) return;
    this.#took({ key, site, level: after === null ? 'local' : 'at-least', after, invokedMs }, heard);
  }

  #took(read: Omit<ReadEntry, 'client' | 'value' | 'returnedMs'>, { body }: Reply): void {
    const { scheduler, trace } = this.#world;
    const { rows: found } = body as { readonly rows: readonly { readonly n: number; readonly v: string }[] };
    const rows = found.filter(({ n }) => n < MARKS_FROM);
    const values = [...new Set(rows.map((row) => row.v))];
    const words = `${read.level} read of ${read.key} at ${read.site} saw ${rows.map((row) => row.v).join(', ')}`;
    if (values.length > 1 || rows.length === 1) this.#world.fail('I10', words);
    const value = values[0] ?? null;
    this.#history.reads.push({ ...read, client: this.#rules.name, value, returnedMs: scheduler.nowMs });
    trace.note(this.#rules.name, words);
  }

  async #ask(site: string, request: Request): Promise<Heard> {
    try {
      return await this.#world.exchange.request(this.#rules.name, site, request, HEAR_MS);
    } catch (error) {
      if (!isFault(error, 'unknown')) throw error;
      return 'lost';
    }
  }

  /** Now and then sends it again before it is answered, as an impatient client does, and waits for both answers. */
  async #askTwice(site: string, request: Request): Promise<Heard> {
    if (this.#random.fraction() >= TWICE_RATE) return this.#ask(site, request);
    const again = this.#world.scheduler
      .sleep(integerBetween(this.#random, 0, TWICE_MS_MAX))
      .then(() => this.#ask(site, request));
    const [first, second] = await Promise.all([this.#ask(site, request), again]);
    const both = [first, second];
    const acked = both.find((heard) => heard !== 'lost' && heard.status === 200);
    return acked ?? both.find((heard) => heard === 'lost' || heard.status === 504) ?? first;
  }

  /** Where to ask next, and when. */
  async #turnTo(heard: Heard): Promise<void> {
    const { siteNames, scheduler } = this.#world;
    if (heard !== 'lost' && heard.status === 307) {
      const { host } = placeOf(String(heard.headers.location));
      // Two sites that send to each other are not asked in a circle without end.
      if (host === this.#primary) await scheduler.sleep(200);
      this.#primary = host;
      await scheduler.sleep(10);
      return;
    }
    if (heard === 'lost' || this.#random.fraction() < 0.3)
      this.#primary = siteNames[integerBetween(this.#random, 0, siteNames.length - 1)]!;
    await scheduler.sleep(integerBetween(this.#random, 50, 400));
  }
}
