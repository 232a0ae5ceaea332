/**
 * A heartbeat store in a site's Redis: one key for each role of each process, which expires by itself, and one set that names
 * them. Losing the Redis, or flushing it, is an empty heartbeat store and nothing more. The only file that talks to Redis.
 */

import type { Clock } from '@tidemark/platform/clock';
import { Fault, messageOf } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import { within } from '@tidemark/platform/sync/deadline';
import { Redis } from 'ioredis';
import {
  BEAT_KEPT_MS,
  type Beat,
  byRoleAndProcess,
  decodeBeat,
  encodeBeat,
  type HeartbeatStore,
} from './heartbeat-store.ts';

/** Each call answers or fails within this time. */
export const ANSWER_WAIT_MS = 300;

// By default a command waits through twenty reconnects, so callers of a dead Redis would hang for seconds; and one that
// was sent before a break would be sent again after it, when it is stale.
const OPTIONS = {
  commandTimeout: ANSWER_WAIT_MS,
  connectTimeout: 1_000,
  maxRetriesPerRequest: 0,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  retryStrategy: () => 100,
} as const;

type RedisHeartbeatStoreParts = {
  /** `redis://host:port`, with user, password and database where there are any. */
  readonly url: string;
  /** These two name the board's keys: several clusters and sites may share one Redis. */
  readonly cluster: string;
  readonly site: string;
  readonly clock: Clock;
  readonly logger: Logger;
};

/** Heartbeats in one Redis; its errors are those of the `HeartbeatStore` port. */
export class RedisHeartbeatStore implements HeartbeatStore {
  readonly address: string;
  readonly #redis: Redis;
  readonly #prefix: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #isReachable = true;

  private constructor({ url, cluster, site, clock, logger }: RedisHeartbeatStoreParts) {
    const { protocol, host } = new URL(url);
    this.address = `${protocol}//${host}`;
    this.#prefix = `tidemark:${cluster}:${site}:beats`;
    this.#clock = clock;
    this.#logger = logger;
    this.#redis = new Redis(url, OPTIONS);
    // The client says the same again at every attempt; what counts is the change.
    this.#redis.on('error', (error) => this.#notice(false, error));
    this.#redis.on('close', () => this.#notice(false, 'the connection was closed'));
    this.#redis.on('ready', () => this.#notice(true));
  }

  /** Never waits long: a Redis that is not there yet is `unavailable` until it is. */
  static async connect(parts: RedisHeartbeatStoreParts): Promise<RedisHeartbeatStore> {
    const board = new RedisHeartbeatStore(parts);
    const ready = new AbortController();
    board.#redis.once('ready', () => ready.abort());
    await parts.clock.sleep(ANSWER_WAIT_MS, ready.signal);
    return board;
  }

  async beat(beat: Beat): Promise<void> {
    const text = encodeBeat(beat);
    const member = `${beat.role}:${beat.process}`;
    await this.#answer(
      this.#redis
        .multi()
        .set(`${this.#prefix}:${member}`, text, 'PX', BEAT_KEPT_MS)
        .sadd(this.#prefix, member)
        .pexpire(this.#prefix, BEAT_KEPT_MS)
        .exec()
        .then(throwFirst),
    );
  }

  beats(): Promise<Beat[]> {
    return this.#answer(this.#read());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#redis.removeAllListeners('close');
    this.#redis.disconnect();
  }

  async #read(): Promise<Beat[]> {
    const members = await this.#redis.smembers(this.#prefix);
    if (members.length === 0) return [];
    const texts = await this.#redis.mget(members.map((member) => `${this.#prefix}:${member}`));
    const expired = members.filter((_, index) => texts[index] === null);
    // A beat that comes back in this very moment names itself again within a second.
    if (expired.length > 0) await this.#redis.srem(this.#prefix, ...expired);
    return texts
      .map((text) => (text === null ? null : decodeBeat(text)))
      .filter((beat) => beat !== null)
      .sort(byRoleAndProcess);
  }

  /** The client's own time-outs hold for one command; this one holds for the call. */
  async #answer<T>(work: Promise<T>): Promise<T> {
    try {
      const answer = await within(this.#clock, ANSWER_WAIT_MS, work);
      if (answer === null) throw new Error(`no answer in ${ANSWER_WAIT_MS} ms`);
      return answer.value;
    } catch (error) {
      throw new Fault('unavailable', `board ${this.address}: ${messageOf(error)}`, { cause: error });
    }
  }

  #notice(isReachable: boolean, error?: unknown): void {
    if (isReachable === this.#isReachable) return;
    this.#isReachable = isReachable;
    if (isReachable) this.#logger.info({ board: this.address }, 'board reached again');
    else this.#logger.warn({ board: this.address, error: messageOf(error) }, 'board out of reach');
  }
}

/** MULTI answers with one error for each command that failed; the first one speaks for all. */
function throwFirst(results: [error: Error | null, result: unknown][] | null): void {
  if (results === null) throw new Error('the transaction was not executed');
  for (const [error] of results) if (error !== null) throw error;
}
