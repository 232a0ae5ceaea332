/**
 * This site's acceptor: it writes what it is asked into the site's control topic, and answers from the fold of the topic
 * at that record. One process of a site runs it; a second one that woke up late is harmless, as both go by the topic.
 */

import { type ControlBody, encodeControl } from '@tidemark/control/audit/control-record';
import {
  type AcceptorState,
  answerOf,
  bodyOfRequest,
  foldAcceptor,
  NO_ACCEPTOR,
  readVoteRecord,
  refusalOf,
  voteFor,
} from '@tidemark/control/consensus/acceptor';
import type { Accepted, RegisterAnswer, RegisterRequest } from '@tidemark/control/consensus/register-request';
import type { RegisterValue } from '@tidemark/control/consensus/register-value';
import type { ControlEnd } from '@tidemark/control/consensus/vouching';
import type { Log } from '@tidemark/log/log';
import { isGone } from '@tidemark/log/tail';
import { topicNames } from '@tidemark/model/table';
import { ROUTES } from '@tidemark/peer/routes';
import type { Clock } from '@tidemark/platform/clock';
import type { Disk } from '@tidemark/platform/disk';
import { Fault, isFault, messageOf } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import type { Random } from '@tidemark/platform/random';
import { Mutex } from '@tidemark/platform/sync/mutex';
import { isSuccessor, rootOf, successorOf } from '@tidemark/record/log-identity';
import { readMark, writeMark } from './acceptor-mark.ts';
import { Testimony } from './testimony.ts';

const TOPIC = topicNames.control;
const RETRY_MS = 200;
/** Longest wait for what is known to stand in the topic. */
const READ_MS = 5_000;
/** How long a topic has to be found too short before that is believed; brokers that were cut off know it by then. */
const SURE_MS = 12_000;

type AcceptorParts = {
  readonly site: string;
  /** How many sites there are. */
  readonly sites: number;
  /** How many of the others have told what they remember of this one's control topic. */
  readonly toldBy: () => number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly cluster: string;
  /** This site's own log. Others append to its control topic too: appends take turns. */
  readonly log: Log;
  readonly disk: Disk;
  readonly random: Random;
  /** Makes the topic where it is missing, with what it held that other records cannot tell again. */
  readonly ensureTopic: () => Promise<void>;
  /** Told of every value of which the topic says that a majority accepted it. */
  readonly onChosen: (value: RegisterValue) => void;
  /** Somebody says that a value of that version was chosen: whether it was, a quorum has to say. */
  readonly onHint: (keyspace: string, version: number) => void;
  readonly onFatal: (error: unknown) => void;
};

type Folded = { readonly state: AcceptorState; readonly ok: boolean };

/**
 * This process's side of the site's vote: opened by reading the control topic to its end, it answers one record at a
 * time.
 */
export class Acceptor implements AsyncDisposable {
  readonly #parts: AcceptorParts;
  readonly #stop = new AbortController();
  #state: AcceptorState = NO_ACCEPTOR;
  /** Offset after the last record folded. */
  #next = 0;
  #opened = false;
  /** Where the topic ended when this process had read it through, before it voted. */
  #openedAt = 0;
  #hasVoted = false;
  /** The topic was found to be gone, or to be another one. */
  #isLost = false;
  readonly #testimony: Testimony;
  #ignored = 0;
  /** Since when the topic is found too short; null while it is not. */
  #shortSinceMs: number | null = null;
  /** Records that were folded while an append was under way, by offset, with the state then: one is its own. */
  readonly #folded = new Map<number, Folded>();
  /** Keyspaces of which a chosen value is being written down. */
  readonly #noting = new Set<string>();
  /** Requests with a record of their own, one after the other; neither of these ever rejects. */
  readonly #appends = new Mutex();
  readonly #folds = new Mutex();
  #running: Promise<unknown> = Promise.resolve();

  constructor(parts: AcceptorParts) {
    this.#parts = parts;
    const { site, sites, toldBy, clock, logger } = parts;
    this.#testimony = new Testimony({ site, sites, toldBy, clock, logger });
  }

  /** Null until the control topic was read. */
  get id(): string | null {
    return this.#opened ? this.#state.id : null;
  }

  /** Records of the control topic that do not count although they look like ones of this kind. */
  get ignored(): number {
    return this.#ignored;
  }

  /** Call once the topic is there, with its first record. */
  start(): void {
    this.#running = this.#open().catch((error) => {
      if (!this.#stop.signal.aborted) this.#parts.onFatal(error);
    });
  }

  /** Reads the topic to its end, and gives a topic that has no acceptor a new one. */
  async #open(): Promise<void> {
    const { log, clock, logger, site } = this.#parts;
    const { signal } = this.#stop;
    for (let said = false; !signal.aborted; said = true) {
      try {
        if (this.#isLost) await this.#parts.ensureTopic();
        this.#isLost = false;
        const { start, end } = await log.bounds(TOPIC, 0);
        this.#next = Math.max(this.#next, start);
        await this.#inTurn(() => this.#readTo(end));
        if (!this.#hasVoted) this.#openedAt = this.#next;
        await this.#testimony.wait(this.#state.id, this.#openedAt, signal);
        const id = await this.#newIdentity(start);
        if (id !== null) await this.#append('', { kind: 'Acceptor', id });
        this.#opened = this.#hasVoted = true;
        logger.info({ acceptor: this.#state.id }, `acceptor of ${site} votes`);
        return;
      } catch (error) {
        if (!isTransient(error) && !isTrimmed(error) && !isLost(error)) throw error;
        this.#isLost ||= isLost(error);
        if (!said) logger.warn({ reason: messageOf(error) }, 'the acceptor waits for the control topic');
        await clock.sleep(RETRY_MS, signal);
      }
    }
  }

  /** Where the topic ends; null until it was read. */
  get controlEnd(): ControlEnd | null {
    const { id } = this.#state;
    return this.#opened && id !== null ? { acceptor: id, end: this.#next } : null;
  }

  /**
   * Takes in how far another site remembers the topic to have gone before this process began.
   * @param gapMs as in `judgeCopy`
   */
  remembered(by: string, told: ControlEnd, gapMs: number | null): void {
    const isNews = this.#testimony.hear(by, told, gapMs);
    const { id } = this.#state;
    if (!isNews || !this.#opened || id === null || !this.#testimony.isOlder(id, this.#openedAt)) return;
    // It came too late to be asked before the first vote: from now on it is another one.
    this.#opened = false;
    this.#running = this.#running
      .then(() => this.#open())
      .catch((error) => {
        if (!this.#stop.signal.aborted) this.#parts.onFatal(error);
      });
  }

  /**
   * True when the topic is shorter than it was known to be.
   * @throws {Fault} `unavailable` until that has been so for `SURE_MS`: a broker that was cut off may just be behind
   */
  #isShort(end: number, known: number): boolean {
    const nowMs = this.#parts.clock.monotonicMs();
    if (end >= known) this.#shortSinceMs = null;
    else this.#shortSinceMs ??= nowMs;
    if (this.#shortSinceMs === null) return false;
    if (nowMs - this.#shortSinceMs >= SURE_MS) return true;
    throw new Fault('unavailable', `${TOPIC} ends at ${end}, and went to ${known}: it is looked at again`);
  }

  /**
   * Null when the topic says who it is, and has all that it is known to have had: an acceptor begins with its ACCEPTOR
   * record, so what was trimmed before that is no loss.
   */
  async #newIdentity(start: number): Promise<string | null> {
    const { random, disk, logger, site } = this.#parts;
    const { id } = this.#state;
    const mark = await readMark(disk, logger);
    if (id === null && (start > 0 || mark !== null)) {
      const where = start > 0 ? `: the first offset left is ${start}` : '';
      const gone = `${TOPIC} lost its beginning${where}, and who votes here stood there`;
      const remedy = `its acceptor is a new one, whose vote does not count until \`tidemark readmit ${site}\` lets it in`;
      logger.error({ got: start, expected: 0, acceptor: mark?.acceptor ?? null }, `${gone}; ${remedy}`);
    }
    if (id === null) return random.id();
    if (this.#testimony.isOlder(id, this.#openedAt)) {
      const { acceptor, end, by } = this.#testimony.furthest!;
      const known = isSuccessor(id, acceptor) ? acceptor : id;
      // A broker that was cut off may just be behind; what was voted upon is there.
      if (!this.#hasVoted && end > this.#next) this.#isShort(this.#next, end);
      const what = `${TOPIC} is older than it was: it ended at ${this.#openedAt}, and ${by} remembers ${end}`;
      logger.error({ acceptor: id, got: this.#openedAt, expected: end }, `${what}; its acceptor is a new one`);
      return successorOf(known);
    }
    if (mark === null || rootOf(mark.acceptor) !== rootOf(id)) return null;
    const succeeded = isSuccessor(id, mark.acceptor);
    if (!succeeded && !this.#isShort(this.#next, mark.end)) return null;
    const what = `${TOPIC} lost its end: it ends at ${this.#next}, and went to ${mark.end}; its acceptor is a new one`;
    logger.error({ acceptor: id, got: this.#next, expected: mark.end }, what);
    return successorOf(succeeded ? mark.acceptor : id);
  }

  /**
   * Does what is asked, or says why not. What nobody may ask is not even written down. That a value was chosen is only a
   * hint, whoever says it: `note` writes it down, once a quorum has said so.
   * @throws {Fault} `conflict`: no rule lets it be done. `unavailable`, `unknown`: the control topic does not answer; a vote may be written down unheard,
   *   which is harmless, or the topic lost something and is read again.
   */
  async answer(keyspace: string, request: RegisterRequest): Promise<RegisterAnswer> {
    const { site, onFatal } = this.#parts;
    if (!this.#opened) {
      const why = this.#state.id === null ? 'has not read its control topic yet' : `waits: ${this.#testimony.lacking}`;
      throw new Fault('unavailable', `acceptor of ${site} ${why}`, { retryAfterMs: 500 });
    }
    const refusal = refusalOf(this.#state, keyspace, request);
    if (refusal !== null) throw refused(keyspace, request, refusal);
    try {
      const body = request.kind === 'chosen' ? null : bodyOfRequest(request);
      if (request.kind === 'chosen') this.#hear(keyspace, request);
      else if (body === null) await this.#catchUp();
      const { state, ok } = body === null ? { state: this.#state, ok: true } : await this.#append(keyspace, body);
      return answerOf(state, keyspace, request, ok);
    } catch (error) {
      if (isTrimmed(error) || isLost(error)) throw this.#beginAgain(error);
      if (!isTransient(error) && !isTooLarge(error) && !this.#stop.signal.aborted) onFatal(error);
      throw error;
    }
  }

  /**
   * The topic was trimmed past what was folded, lost its end, or is gone: what stood there, votes perhaps, is not known any
   * more.
   */
  #beginAgain(cause: Fault): Fault {
    const { site, logger } = this.#parts;
    if (this.#opened) {
      const what = isTrimmed(cause) ? 'is behind its control topic' : 'lost its control topic, or the end of it';
      logger.error({ reason: cause.message }, `acceptor of ${site} ${what}: it is read again`);
      this.#isLost ||= isLost(cause);
      this.#opened = false;
      this.#state = NO_ACCEPTOR;
      this.#next = 0;
      this.start();
    }
    return new Fault('unavailable', `acceptor of ${site} reads its control topic again`, { retryAfterMs: 500, cause });
  }

  #hear(keyspace: string, { value }: { readonly value: RegisterValue }): void {
    const { chosen } = voteFor(this.#state, keyspace);
    if (value.version > (chosen?.value.version ?? 0)) this.#parts.onHint(keyspace, value.version);
  }

  /** The value this vote was last given to, chosen or not; null for none. */
  accepted(keyspace: string): RegisterValue | null {
    return voteFor(this.#state, keyspace).accepted?.value ?? null;
  }

  /** Writes down what a quorum told this process was chosen, so that its next one knows it before it has asked. */
  async note({ ballot, value }: Accepted): Promise<void> {
    const { keyspace, version } = value;
    const isNews = (): boolean => version > (voteFor(this.#state, keyspace).chosen?.value.version ?? 0);
    if (!this.#opened || !isNews() || this.#noting.has(keyspace)) return;
    this.#noting.add(keyspace);
    try {
      await this.#append(keyspace, { kind: 'Chosen', ballot, value: JSON.stringify(value) });
    } catch (error) {
      if (isTrimmed(error) || isLost(error)) this.#beginAgain(error);
      else if (!isTransient(error) && !this.#stop.signal.aborted) this.#parts.onFatal(error);
    } finally {
      this.#noting.delete(keyspace);
    }
  }

  /** Appends a record and folds up to it. @returns the state there, and whether it did what it asks for */
  async #append(keyspace: string, body: ControlBody): Promise<Folded> {
    const { cluster, site, log, clock, disk } = this.#parts;
    const askedMs = clock.monotonicMs();
    using _turn = await this.#appends.lock();
    if (clock.monotonicMs() - askedMs > ROUTES.register.timeoutMs) {
      throw new Fault('unavailable', `${TOPIC} is too slow: who asked does not listen any more`);
    }
    const value = encodeControl({ cluster, site, keyspace, timeMs: clock.nowMs(), body });
    this.#folded.clear();
    const offset = await log.append(TOPIC, 0, [{ value }]);
    const folded = await this.#inTurn(async () => {
      if (offset >= this.#next) {
        // Offsets are dense: at the expected one, nothing stands between this record and what was folded.
        if (offset === this.#next) this.#fold(offset, value);
        else await this.#readTo(offset + 1);
      }
      const folded = this.#folded.get(offset);
      if (folded !== undefined) return folded;
      throw new Fault('corrupt', `${TOPIC} lost its end: appended at ${offset}, end ${this.#next}`, {
        got: offset,
        expected: this.#next,
      });
    });
    // Before anybody is told: what is promised and lost must be noticed.
    await writeMark(disk, { acceptor: folded.state.id ?? '', end: offset + 1 });
    return folded;
  }

  /** Folds everything that stands in the topic when this is called, whoever wrote it. */
  async #catchUp(): Promise<void> {
    const known = this.#next;
    const { end } = await this.#parts.log.bounds(TOPIC, 0);
    if (this.#isShort(end, known)) {
      throw new Fault('corrupt', `${TOPIC} lost its end: it ends at ${end}, and went to ${known}`, {
        got: end,
        expected: known,
      });
    }
    await this.#inTurn(() => this.#readTo(end));
  }

  async #readTo(end: number): Promise<void> {
    if (this.#next >= end) return;
    const { log, clock } = this.#parts;
    const done = new AbortController();
    const signal = AbortSignal.any([this.#stop.signal, done.signal]);
    void clock.sleep(READ_MS, signal).then(() => done.abort());
    try {
      for await (const { records } of log.read({
        topic: TOPIC,
        partition: 0,
        from: this.#next,
        signal,
        untilEnd: true,
      })) {
        for (const { offset, value } of records) this.#fold(offset, value);
        if (this.#next >= end) return;
      }
    } finally {
      done.abort();
    }
    throw new Fault('unavailable', `${log.address}: ${TOPIC} could be read up to ${this.#next} of ${end}`);
  }

  #fold(offset: number, value: Uint8Array): void {
    const { cluster, site, logger, onChosen } = this.#parts;
    this.#next = offset + 1;
    const voted = readVoteRecord({ cluster, origin: site }, value);
    if (voted === null) return;
    if ('ignored' in voted) {
      this.#ignored++;
      logger.error({ topic: TOPIC, offset, reason: voted.ignored }, 'control record ignored');
      return;
    }
    const folded = foldAcceptor(this.#state, voted.record);
    const { keyspace, body } = voted.record;
    this.#state = folded.state;
    this.#folded.set(offset, folded);
    const { chosen } = voteFor(folded.state, keyspace);
    if (body.kind === 'Chosen' && chosen !== null) onChosen(chosen.value);
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    using _turn = await this.#folds.lock();
    return await work();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await this.#appends.settled();
    await this.#folds.settled();
  }
}

function refused(keyspace: string, request: RegisterRequest, why: string): Fault {
  const got = 'value' in request ? `version ${request.value.version}` : request.kind;
  return new Fault('conflict', `register of ${keyspace}: ${request.kind} refused: ${why}`, { got });
}

/** More than a record holds is for whoever asked to know. */
function isTooLarge(error: unknown): boolean {
  return isFault(error, 'tooLarge');
}

function isTransient(error: unknown): boolean {
  return isFault(error, 'unavailable') || isFault(error, 'unknown');
}

/** What was to be read is gone. */
function isTrimmed(error: unknown): error is Fault {
  return isFault(error, 'outOfRange');
}

/** The topic is gone, is another one, or ends before what was known of it. */
function isLost(error: unknown): error is Fault {
  return isFault(error, 'corrupt') || isGone(error);
}
