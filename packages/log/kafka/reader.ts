/**
 * The way out of Kafka: one long request per broker asks for every partition that is being read and has room. A reader
 * that makes room while such a request is under way is asked for on another lane, so nobody waits for the others' silence;
 * lanes end together at fixed moments, so they become one again when it is quiet.
 */

import { isFault, messageOf } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import type { LogRecord } from '../log.ts';
import type { Reachability } from '../reachability.ts';
import { checkPlace, notTheSame } from '../read-rules.ts';
import { type KafkaCluster, SURE_MS } from './cluster.ts';
import type { KafkaFeed } from './feed.ts';
import { type Fetched, fetchRequest, type TopicMetadata } from './wire.ts';

const LANES = 4;
const WAIT_MS = 500;
const WAIT_MS_MIN = 50;
const ANSWER_MS_MAX = 5_000;
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;

/** Between an answer without records and the next request: lets the lanes that end together be asked for together. */
const GATHER_MS = 3;
const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 500;

const OFFSET_OUT_OF_RANGE = 1;
/** A server error, a corrupt message, an invalid record: what a broker answers when it stumbles over its own segment. */
const UNREADABLE: ReadonlySet<number> = new Set([-1, 2, 87]);

/**
 * Keeps the feeds of one log handle filled by long fetches, and looks for the leader of those that have lost theirs.
 */
export class KafkaReader {
  readonly #cluster: KafkaCluster;
  readonly #voice: Reachability;
  readonly #logger: Logger;
  readonly #signal: AbortSignal;
  readonly #feeds = new Set<KafkaFeed>();
  readonly #freeLanes = new Map<number, number[]>();
  #isScheduled = false;
  #isFinding = false;

  /** @param signal ends everything it does */
  constructor(cluster: KafkaCluster, voice: Reachability, logger: Logger, signal: AbortSignal) {
    this.#cluster = cluster;
    this.#voice = voice;
    this.#logger = logger;
    this.#signal = signal;
  }

  /** Brings the feed records until the result is disposed. */
  follow(feed: KafkaFeed): Disposable {
    this.#feeds.add(feed);
    this.wake();
    return { [Symbol.dispose]: () => this.#feeds.delete(feed) };
  }

  /** Somebody has room, or is new. */
  wake(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      while (!this.#signal.aborted && this.#askSome());
    });
  }

  /** One request for each leader that has a lane free; false when nobody could be asked for any more. */
  #askSome(): boolean {
    let hasAsked = false;
    /** By leader and terms: transactions count for a whole request, and who was given nothing is asked for alone. */
    const requests = new Map<string, { readonly leader: number; readonly feeds: Map<string, KafkaFeed> }>();
    let isLeaderless = false;
    for (const feed of this.#feeds) {
      if (!feed.wantsMore) continue;
      if (feed.leader === null) {
        isLeaderless = true;
        continue;
      }
      const terms = `${feed.leader} ${feed.committedOnly} ${feed.isAlone ? feed.key : ''}`;
      const { feeds } = requests.get(terms) ?? { feeds: new Map<string, KafkaFeed>() };
      requests.set(terms, { leader: feed.leader, feeds });
      // A request names a partition once; a second reader of it goes on another lane.
      if (!feeds.has(feed.key)) feeds.set(feed.key, feed);
    }
    for (const { leader, feeds } of requests.values()) {
      const lanes = this.#freeLanes.get(leader) ?? Array.from({ length: LANES }, (_, lane) => lane);
      this.#freeLanes.set(leader, lanes);
      const lane = lanes.pop();
      if (lane === undefined) continue;
      hasAsked = true;
      void this.#ask(leader, lane, [...feeds.values()]);
    }
    if (isLeaderless && !this.#isFinding) void this.#findLeaders();
    return hasAsked;
  }

  /** One request and what follows from its answer. It never rejects. */
  async #ask(leader: number, lane: number, feeds: readonly KafkaFeed[]): Promise<void> {
    for (const feed of feeds) {
      feed.isAsked = true;
      // Behind all others: with more readers of one partition than lanes, everybody gets a turn.
      if (this.#feeds.delete(feed)) this.#feeds.add(feed);
    }
    let isQuiet = false;
    try {
      const link = await this.#cluster.nodeLink(leader, `read ${lane}`);
      const waitMs = waitFor(this.#cluster.clock.monotonicMs());
      const { committedOnly } = feeds[0]!;
      const parts = feeds.map((feed) => feed.ask);
      const request = fetchRequest(parts, { waitMs, bytesMax: ANSWER_BYTES_MAX, committedOnly });
      const answers = await link.send(request, waitMs + ANSWER_MS_MAX);
      this.#voice.up();
      isQuiet = !answers.some(({ records }) => records.length > 0);
      this.#deliver(feeds, answers);
    } catch (error) {
      if (!this.#signal.aborted) this.#voice.down(messageOf(error));
      for (const feed of feeds) feed.leader = null;
    }
    for (const feed of feeds) feed.isAsked = false;
    this.#freeLanes.get(leader)!.push(lane);
    if (isQuiet) await this.#cluster.clock.sleep(GATHER_MS, this.#signal);
    this.wake();
  }

  #deliver(feeds: readonly KafkaFeed[], answers: readonly Fetched[]): void {
    const byPlace = new Map(answers.map((answer) => [`${answer.topicId}/${answer.partition}`, answer]));
    for (const feed of feeds) {
      const answer = byPlace.get(feed.key);
      if (answer?.error === 0 && answer.divergesAt === null) this.#bring(feed, answer);
      else if (answer?.error === 0) this.#doubt(feed, answer.divergesAt!);
      else if (answer?.error === OFFSET_OUT_OF_RANGE) void this.#checkPlace(feed);
      else if (answer !== undefined && UNREADABLE.has(answer.error)) this.#tell(feed, feed.refused(answer.error));
      else feed.leader = null;
    }
  }

  /** An answer is filled in the order of the request, so who got something is asked for last next time. */
  #bring(feed: KafkaFeed, answer: Fetched): void {
    if (answer.records.length > 0 && this.#feeds.delete(feed)) this.#feeds.add(feed);
    this.#tell(feed, feed.bring(answer));
  }

  #doubt(feed: KafkaFeed, divergesAt: number): void {
    const { place, next } = feed;
    const message = `${place}: read up to offset ${next}, and the broker says that it differs from ${divergesAt} on: looked at again`;
    this.#logger.warn({ place, offset: next, divergesAt }, message);
    feed.diverges(divergesAt);
  }

  #tell({ place }: KafkaFeed, damaged: readonly LogRecord[]): void {
    for (const { offset, damage } of damaged)
      this.#logger.error({ place, offset, damage }, `${place}: a batch of the log is damaged: ${damage}`);
  }

  /** The broker has no such offset: the reader's end, unless the broker says otherwise when asked again. */
  async #checkPlace(feed: KafkaFeed): Promise<void> {
    feed.leader = null;
    try {
      const view = await this.#cluster.sameTopic(feed.topic, feed.topicId, feed.place);
      const { start, end } = await this.#cluster.bounds(view, feed.partition);
      checkPlace(feed.place, feed.next, start, end);
      // It is there: then it is the leader epoch of the last batch that the broker has never heard of.
      if (feed.ask.leaderEpoch >= 0) this.#doubt(feed, feed.next);
    } catch (error) {
      if (!isFault(error, 'unavailable')) feed.fail(error as Error);
    }
  }

  /** Until every reader has a leader or a failure. One such search runs at a time; it never rejects. */
  async #findLeaders(): Promise<void> {
    const wrongSinceMs = new Map<KafkaFeed, number>();
    this.#isFinding = true;
    for (let pauseMs = RETRY_MS_MIN; !this.#signal.aborted; pauseMs = Math.min(RETRY_MS_MAX, pauseMs * 1.5)) {
      const lost = [...this.#feeds].filter((feed) => feed.leader === null && feed.wantsMore);
      if (lost.length === 0) break;
      try {
        const { topics } = await this.#cluster.metadata([...new Set(lost.map((feed) => feed.topic))]);
        for (const feed of lost) {
          const found = topics.find(({ name }) => name === feed.topic);
          this.#settle(feed, found, wrongSinceMs);
        }
      } catch (error) {
        this.#voice.down(messageOf(error));
      }
      this.wake();
      await this.#cluster.clock.sleep(pauseMs, this.#signal);
    }
    this.#isFinding = false;
  }

  #settle(feed: KafkaFeed, found: TopicMetadata | undefined, wrongSinceMs: Map<KafkaFeed, number>): void {
    if (found?.id === feed.topicId) {
      wrongSinceMs.delete(feed);
      const leader = found.leaders[feed.partition] ?? -1;
      if (leader >= 0) feed.leader = leader;
      return;
    }
    const nowMs = this.#cluster.clock.monotonicMs();
    const sinceMs = wrongSinceMs.get(feed) ?? nowMs;
    wrongSinceMs.set(feed, sinceMs);
    if (nowMs - sinceMs >= SURE_MS) feed.fail(notTheSame(feed.place, found?.id ?? 'none', feed.topicId));
  }
}

/** Ms until the next moment at which lanes end, but not so short that it is not worth a request. */
function waitFor(nowMs: number): number {
  const leftMs = WAIT_MS - (nowMs % WAIT_MS);
  return Math.ceil(leftMs < WAIT_MS_MIN ? leftMs + WAIT_MS : leftMs);
}
