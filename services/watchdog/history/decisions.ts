/**
 * What this site decided and refused. Each decision is in memory at once and in the site's control log as soon as that
 * takes it; the newest are read back from there. What other sites decided is asked of them.
 */

import { decodeControl, encodeControl, isControl } from '@tidemark/control/audit/control-record';
import {
  type Decision,
  decodeDecision,
  encodeDecision,
  epochBegunBy,
  historyOf,
} from '@tidemark/control/audit/decision';
import { explain } from '@tidemark/control/audit/decision-words';
import { type RegisterValue, TERMS_MAX } from '@tidemark/control/consensus/register-value';
import type { Log } from '@tidemark/log/log';
import { topicNames } from '@tidemark/model/table';
import type { Peer } from '@tidemark/peer/peer';
import { ROUTES } from '@tidemark/peer/routes';
import type { Clock } from '@tidemark/platform/clock';
import { Fault, isFault } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import { Notifier } from '@tidemark/platform/sync/notifier';
import type { FastifyInstance } from 'fastify';
import { decisionOfUntold, untoldTerms } from './untold-terms.ts';

const TOPIC = topicNames.control;
const RETRY_MS = 500;
/** So many are kept in memory, parts of one decision counted one by one. */
const KEPT_MAX = 1_000;
/** So many wait for a control log that does not answer; the oldest of more are lost to it. */
const WAITING_MAX = 1_000;
/** A term that is closed has a decision by then, whichever process of the site won it. */
const TOLD_MS = 5_000;

type DecisionsParts = {
  readonly cluster: string;
  readonly site: string;
  /** This site's own log. */
  readonly log: Log;
  /** Every site of the cluster. */
  readonly sites: readonly string[];
  /** A site's process that watches and votes. */
  readonly watcherAt: (site: string) => Peer;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onFatal: (error: unknown) => void;
};

/**
 * One site's decisions, from `start` until disposal; a bounded number waits to be stored, and storing is tried until
 * the control log takes it.
 */
export class Decisions implements AsyncDisposable {
  readonly #parts: DecisionsParts;
  readonly #stop = new AbortController();
  /** Parts of decisions by their text, oldest first: the same part twice is one. */
  readonly #known = new Map<string, Decision>();
  readonly #waiting: Decision[] = [];
  readonly #news = new Notifier();
  /** Keyspace → epochs of which it is known how they began here; more than a register remembers, the newest. */
  readonly #begun = new Map<string, Set<number>>();
  readonly #read = Promise.withResolvers<void>();
  #running: Promise<unknown> = Promise.resolve();

  constructor(parts: DecisionsParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#running = Promise.all([this.#follow(), this.#write()]).catch((error) => {
      if (!this.#stop.signal.aborted) this.#parts.onFatal(error);
    });
  }

  /** Takes a decision, or a part of one; it is in the history from now on, and never keeps whoever decides waiting. */
  record(decision: Decision): void {
    const { logger } = this.#parts;
    if (!this.#take(decision)) return;
    const { id, keyspace, kind, outcome } = decision;
    logger.info({ id, keyspace, kind, outcome }, explain(decision));
    this.#waiting.push(decision);
    if (this.#waiting.length > WAITING_MAX) this.#waiting.shift();
    this.#news.notify();
  }

  /** Tells of terms that this site led and nobody told of, once it is known what was told. */
  async tellUntold(value: RegisterValue): Promise<void> {
    const { site, clock } = this.#parts;
    await clock.sleep(TOLD_MS, this.#stop.signal);
    await this.#read.promise;
    if (this.#stop.signal.aborted) return;
    const isTold = (epoch: number): boolean => this.#begun.get(value.keyspace)?.has(epoch) ?? false;
    for (const untold of untoldTerms(value, site, isTold))
      this.record(decisionOfUntold(value.keyspace, untold, clock.nowMs()));
  }

  /** Newest first. */
  history(): Decision[] {
    return historyOf(this.#known.values());
  }

  /** The newest decision of a keyspace that `fits`; null when none is known here. */
  newest(keyspace: string, fits: (decision: Decision) => boolean): Decision | null {
    return this.history().find((one) => one.keyspace === keyspace && fits(one)) ?? null;
  }

  #take(decision: Decision): boolean {
    const text = encodeDecision(decision);
    if (this.#known.has(text)) return false;
    this.#known.set(text, decision);
    this.#note(decision);
    const [oldest] = this.#known.keys();
    if (this.#known.size > KEPT_MAX && oldest !== undefined) this.#known.delete(oldest);
    return true;
  }

  #note(decision: Decision): void {
    const { keyspace } = decision;
    const epoch = epochBegunBy(decision);
    if (epoch === null) return;
    const begun = this.#begun.get(keyspace) ?? new Set();
    this.#begun.set(keyspace, begun.add(epoch));
    if (begun.size > 2 * TERMS_MAX) begun.delete(Math.min(...begun));
  }

  /** What the control log holds, whichever process of the site wrote it. A topic that is not there yet is waited for. */
  async #follow(): Promise<void> {
    const { log, clock, logger } = this.#parts;
    const { signal } = this.#stop;
    let from: number | null = null;
    for (let said = false; !signal.aborted; ) {
      try {
        const { start, end } = await log.bounds(TOPIC, 0);
        from ??= start;
        if (from >= end) this.#read.resolve();
        for await (const { records } of log.read({ topic: TOPIC, partition: 0, from, signal })) {
          for (const { value } of records) this.#takeRecord(value);
          from = records.at(-1)!.offset + 1;
          if (from >= end) this.#read.resolve();
        }
      } catch (error) {
        if (!isFault(error)) throw error;
        // Trimmed, or another topic: what is there now is read from its start.
        if (error.kind !== 'unavailable' && error.kind !== 'unknown') from = null;
        if (!said) logger.warn({ reason: error.message }, 'decisions in the control log are waited for');
        said = true;
      }
      await clock.sleep(RETRY_MS, signal);
    }
  }

  /** Whoever folds the topic for votes alarms of what is broken in it. */
  #takeRecord(value: Uint8Array): void {
    const { cluster, site } = this.#parts;
    if (!isControl(value)) return;
    try {
      const record = decodeControl(value);
      if (record.cluster !== cluster || record.site !== site || record.body.kind !== 'Decision') return;
      this.#take(decodeDecision(record.body.decision));
    } catch (error) {
      if (!isFault(error, 'corrupt')) throw error;
    }
  }

  async #write(): Promise<void> {
    const { clock, logger } = this.#parts;
    const { signal } = this.#stop;
    for (let said = false; !signal.aborted; ) {
      const decision = this.#waiting[0];
      if (decision === undefined) {
        await this.#news.after(this.#news.count, signal);
        continue;
      }
      try {
        await this.#append(decision);
        if (this.#waiting[0] === decision) this.#waiting.shift();
        said = false;
      } catch (error) {
        if (!isFault(error)) throw error;
        // Appended twice it is one decision all the same.
        if (!said) logger.warn({ reason: error.message }, 'a decision is not written down yet');
        said = true;
        await clock.sleep(RETRY_MS, signal);
      }
    }
  }

  async #append(decision: Decision): Promise<void> {
    const { cluster, site, log, clock } = this.#parts;
    const { id, keyspace } = decision;
    const body = { kind: 'Decision', id, decision: encodeDecision(decision) } as const;
    const value = encodeControl({ cluster, site, keyspace, timeMs: clock.nowMs(), body });
    await log.append(TOPIC, 0, [{ value }]);
  }

  /** `GET /v1/history` and `/v1/history/{id}`; with `?all` also what the other sites that answer decided. */
  register(app: FastifyInstance): void {
    type Query = { readonly all?: string; readonly keyspace?: string };
    app.get<{ Querystring: Query }>(ROUTES.history.path, async ({ query }) => {
      const all = await this.#asked(query.all);
      const { keyspace } = query;
      return { decisions: all.filter((one) => keyspace === undefined || one.keyspace === keyspace).map(told) };
    });
    app.get<{ Params: { id: string }; Querystring: Query }>(ROUTES.decision.path, async ({ params, query }) => {
      const found = (await this.#asked(query.all)).find(({ id }) => id === params.id);
      if (found !== undefined) return told(found);
      const message = `no decision ${params.id} at site ${this.#parts.site}; another site may have it (?all)`;
      throw new Fault('notFound', message, { got: params.id });
    });
  }

  async #asked(all: string | undefined): Promise<Decision[]> {
    if (all === undefined || all === 'false') return this.history();
    const { site, sites, watcherAt } = this.#parts;
    const others = sites.filter((one) => one !== site).map((one) => watcherAt(one).history());
    const told = (await Promise.all(others)).flatMap(({ answer }) => answer?.decisions ?? []);
    return historyOf([...this.#known.values(), ...told]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#read.resolve();
    await this.#running;
  }
}

/** A decision with its explanation. */
function told(decision: Decision): Decision & { readonly explanation: string } {
  return { ...decision, explanation: explain(decision) };
}
