/**
 * The Log on Kafka 4. Nothing it does depends on consumer groups or on a client's own retries: an append is sent once,
 * readers keep their own places, and a topic is what its id says, so one made again under the same name is found out at
 * the next request.
 */

import type { Clock } from '@tidemark/platform/clock';
import { Fault, isFault, messageOf } from '@tidemark/platform/fault';
import { type Logger, SILENT } from '@tidemark/platform/logger';
import { AppendTurns, checkAppend, noTopic } from '../append-rules.ts';
import { type Log, type LogBatch, type LogEntry, RECORD_BYTES_MAX, type ReadOptions, type TopicSpec } from '../log.ts';
import { Reachability } from '../reachability.ts';
import { checkPlace, checkTrim } from '../read-rules.ts';
import { KafkaAppender } from './appender.ts';
import { KafkaCluster } from './cluster.ts';
import { KafkaFeed } from './feed.ts';
import { KafkaReader } from './reader.ts';
import { encodeRecords } from './records.ts';
import {
  alterSettingsRequest,
  describeSettingsRequest,
  differing,
  inWords,
  MESSAGE_BYTES_MAX,
  remedyFor,
  replicasOf,
  settingsOf,
} from './settings.ts';
import { createTopicRequest, deleteRecordsRequest, type Produced, type TopicMetadata } from './wire.ts';

const APPEND_TIMEOUT_MS = 5_000;
const TOPIC_MS_MAX = 30_000;
const RETRY_MS = 100;
const LEADER_RETRY_MS = 10;

/** Kafka's error codes, by what they say about an append. */
const KAFKA = {
  none: 0,
  offsetOutOfRange: 1,
  corruptMessage: 2,
  messageTooLarge: 10,
  recordListTooLarge: 18,
  notEnoughReplicas: 19,
  topicExists: 36,
  invalidPartitions: 37,
  invalidReplicas: 38,
  invalidConfig: 40,
  policyViolation: 44,
  unknownTopicId: 100,
} as const;

type KafkaLogOptions = {
  readonly clock: Clock;
  /** Names this process in the brokers' logs and quotas. */
  readonly clientId: string;
  readonly logger?: Logger;
  /** Longest wait for an append's answer, in ms; then its outcome is `unknown`. Default 5,000. */
  readonly appendTimeoutMs?: number;
};

/**
 * A handle on one site's brokers; errors and waits are those of the `Log` port. Closing it ends its readers and
 * connections.
 */
export class KafkaLog implements Log {
  readonly address: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #cluster: KafkaCluster;
  readonly #appender: KafkaAppender;
  readonly #reader: KafkaReader;
  readonly #voice: Reachability;
  readonly #turns = new AppendTurns();
  readonly #stop = new AbortController();
  /** Id of each topic this handle has appended to. */
  readonly #pinned = new Map<string, string>();

  private constructor(brokers: readonly string[], options: KafkaLogOptions) {
    const { clock, clientId, logger = SILENT } = options;
    this.#clock = clock;
    this.#logger = logger;
    this.#cluster = new KafkaCluster(brokers, clock, clientId);
    this.address = this.#cluster.address;
    this.#voice = new Reachability(this.address, logger);
    this.#appender = new KafkaAppender(this.#cluster, options.appendTimeoutMs ?? APPEND_TIMEOUT_MS);
    this.#reader = new KafkaReader(this.#cluster, this.#voice, logger, this.#stop.signal);
  }

  /** Needs no broker yet: operations are `unavailable` until one answers, and readers wait. @param brokers `host:port` */
  static async connect(brokers: readonly string[], options: KafkaLogOptions): Promise<KafkaLog> {
    return new KafkaLog(brokers, options);
  }

  async ensureTopic(spec: TopicSpec): Promise<void> {
    await this.#cluster.metadata([spec.name]);
    const isNew = (await this.#cluster.topic(spec.name)) === null;
    if (isNew) await this.#createTopic(spec);
    const view = await this.#ledTopic(spec.name);
    const found = view.leaders.length;
    if (found !== spec.partitions) {
      const message = `${this.address}: topic ${spec.name} has ${found} partitions, ${spec.partitions} wanted`;
      throw new Fault('invalid', message, { got: spec.partitions, expected: found });
    }
    if (!isNew && spec.genesis !== null) await this.#mendSettings(spec, view);
    this.#pinned.set(spec.name, view.id);
    await Promise.all(view.leaders.map((_, partition) => this.#makeReady(view, partition, spec.genesis)));
  }

  async #createTopic({ name, partitions, flushed, genesis }: TopicSpec): Promise<void> {
    const replicas = replicasOf(this.#cluster.brokers.length, this.#cluster.nodeCount);
    if (this.#cluster.nodeCount < replicas) {
      // It would have as few for ever.
      const up = `${this.#cluster.nodeCount} of ${replicas} brokers are up`;
      throw new Fault(
        'unavailable',
        `${this.address}: topic ${name} is made once it can have ${replicas} replicas: ${up}`,
      );
    }
    const settings: Record<string, string> = {
      ...settingsOf({ flushed }, replicas),
      // Other programs may compress in ways that cannot be read here; the broker then compresses again.
      ...(genesis === null ? { 'compression.type': 'zstd' } : {}),
    };
    const request = createTopicRequest({ name, partitions, replicas, settings }, TOPIC_MS_MAX);
    const { error, message } = await this.#cluster.ask(request);
    if (error === KAFKA.none || error === KAFKA.topicExists) return;
    const isRefused = error >= KAFKA.invalidPartitions && error <= KAFKA.policyViolation;
    const said = `${this.address}: topic ${name} not created: ${message} (Kafka error ${error})`;
    throw new Fault(isRefused ? 'invalid' : 'unavailable', said);
  }

  /**
   * What somebody set otherwise is set right again, or said with the command that does it. Fewer replicas than there are
   * brokers for are said, too.
   */
  async #mendSettings({ name, flushed }: TopicSpec, { replicas }: TopicMetadata): Promise<void> {
    const place = `${this.address}: topic ${name}`;
    const brokers = this.#cluster.brokers.join(',');
    const wantedReplicas = replicasOf(this.#cluster.brokers.length, this.#cluster.nodeCount);
    if (replicas < wantedReplicas) {
      const remedy = `kafka-reassign-partitions.sh --bootstrap-server ${brokers} --execute`;
      const message = `${place} has ${replicas} replicas, ${wantedReplicas} wanted: it is lost with that many brokers; give it more with ${remedy}`;
      this.#logger.error({ topic: name, got: replicas, expected: wantedReplicas }, message);
    }
    const { error, found } = await this.#cluster.ask(describeSettingsRequest(name));
    if (error !== KAFKA.none) {
      this.#logger.warn({ topic: name, error }, `${place}: its settings cannot be read: Kafka error ${error}`);
      return;
    }
    const differences = differing(settingsOf({ flushed }, replicas), found);
    if (differences.length === 0) return;
    const settings = Object.fromEntries(differences.map(({ setting, wanted }) => [setting, wanted]));
    const altered = await this.#cluster.ask(alterSettingsRequest(name, settings));
    const words = inWords(differences);
    if (altered.error === KAFKA.none) {
      this.#logger.warn(
        { topic: name, differences },
        `${place}: somebody had set it otherwise, it was set right: ${words}`,
      );
      return;
    }
    const said = `Kafka error ${altered.error}${altered.message === '' ? '' : `: ${altered.message}`}`;
    const message = `${place}: ${words}, and may not be set from here (${said}): ${remedyFor(name, brokers, differences)}`;
    this.#logger.error({ topic: name, differences }, message);
  }

  /** The topic once all its partitions have leaders. */
  async #ledTopic(name: string): Promise<TopicMetadata> {
    const sinceMs = this.#clock.monotonicMs();
    for (;;) {
      const { topics } = await this.#cluster.metadata([name]);
      const found = topics[0];
      if (found !== undefined && !found.leaders.includes(-1)) return found;
      if (this.#clock.monotonicMs() - sinceMs > TOPIC_MS_MAX)
        throw new Fault('unavailable', `${this.address}: topic ${name} has no leaders after ${TOPIC_MS_MAX} ms`);
      await this.#clock.sleep(LEADER_RETRY_MS);
    }
  }

  /**
   * Waits until the leader does lead (it is named a moment earlier), and puts the genesis record where nothing ever was.
   * An answer that is lost may leave two equal ones, of which readers take the first.
   */
  async #makeReady(view: TopicMetadata, partition: number, genesis: TopicSpec['genesis']): Promise<void> {
    const sinceMs = this.#clock.monotonicMs();
    let value: Uint8Array | null = null;
    for (;;) {
      try {
        const { end } = await this.#cluster.bounds(view, partition);
        if (end > 0 || genesis === null) return;
        value ??= genesis(partition);
        await this.append(view.name, partition, [{ value }]);
        return;
      } catch (error) {
        const isPassing = isFault(error, 'unavailable') || isFault(error, 'unknown');
        if (!isPassing || this.#clock.monotonicMs() - sinceMs > TOPIC_MS_MAX) throw error;
        await this.#clock.sleep(LEADER_RETRY_MS, this.#stop.signal);
      }
    }
  }

  async partitionCount(topic: string): Promise<number | null> {
    const { topics } = await this.#cluster.metadata([topic]);
    return topics[0]?.leaders.length ?? null;
  }

  async topicId(topic: string): Promise<string | null> {
    const { topics } = await this.#cluster.metadata([topic]);
    return topics[0]?.id ?? null;
  }

  async topics(): Promise<string[]> {
    const { topics } = await this.#cluster.metadata(null);
    return topics
      .filter(({ isInternal }) => !isInternal)
      .map(({ name }) => name)
      .sort();
  }

  async append(topic: string, partition: number, entries: readonly LogEntry[]): Promise<number> {
    checkAppend(topic, partition, entries);
    using _turn = await this.#turns.of(topic, partition).lock();
    const place = `${this.address}: ${topic}/${partition}`;
    const view = await this.#pinnedTopic(topic, partition, place);
    const records = encodeRecords(entries, this.#clock.nowMs());
    const part = { topicId: view.id, topic, partition, records };
    const produced = await this.#appender.send(part, view.leaders[partition]!);
    if (produced.error === KAFKA.none) return produced.baseOffset;
    throw await this.#refusal(produced, place, view, records.length);
  }

  /** The topic, as long as it is the one this handle appended to before. */
  async #pinnedTopic(topic: string, partition: number, place: string): Promise<TopicMetadata> {
    const pinned = this.#pinned.get(topic);
    let view = await this.#cluster.topic(topic);
    if (view === null || (pinned !== undefined && view.id !== pinned))
      view =
        pinned === undefined
          ? await this.#cluster.settledTopic(topic)
          : await this.#cluster.sameTopic(topic, pinned, place);
    if (view?.leaders[partition] === undefined) throw noTopic(this.address, topic, partition);
    this.#pinned.set(topic, view.id);
    return view;
  }

  /** What a broker's error code says: only a few say for certain that nothing was stored. */
  async #refusal(produced: Produced, place: string, view: TopicMetadata, bytes: number): Promise<Fault> {
    const { error, message } = produced;
    const said = `${place}: Kafka error ${error}${message === '' ? '' : `: ${message}`}`;
    if (error === KAFKA.messageTooLarge || error === KAFKA.recordListTooLarge) {
      const limits = `append of ${bytes} bytes, the topic's max.message.bytes should be ${MESSAGE_BYTES_MAX}`;
      return new Fault('tooLarge', `${said}: ${limits}`, { got: bytes, expected: MESSAGE_BYTES_MAX });
    }
    if (error === KAFKA.notEnoughReplicas || error === KAFKA.corruptMessage) return new Fault('unavailable', said);
    this.#cluster.forget(view.name);
    try {
      await this.#cluster.sameTopic(view.name, view.id, place);
    } catch (fault) {
      if (isFault(fault, 'corrupt')) return fault;
    }
    return new Fault(error === KAFKA.unknownTopicId ? 'unavailable' : 'unknown', said);
  }

  async *read(options: ReadOptions): AsyncIterable<LogBatch> {
    const { batchBytesMax = RECORD_BYTES_MAX } = options;
    const stopped = AbortSignal.any([options.signal, this.#stop.signal]);
    const feed = await this.#openFeed(options, stopped);
    if (feed === null) return;
    const stopAt = options.untilEnd === true ? feed.end : null;
    if (stopAt !== null && stopAt <= options.from) return;
    using _following = this.#reader.follow(feed);
    while (!stopped.aborted) {
      const seen = feed.bell.count;
      const batch = feed.take(batchBytesMax, stopAt);
      if (batch === null) {
        if (stopAt !== null && feed.next >= stopAt) return;
        await feed.bell.after(seen, stopped);
        continue;
      }
      this.#reader.wake();
      yield batch;
      if (stopAt !== null && batch.records.at(-1)!.offset + 1 >= stopAt) return;
    }
  }

  /** Where reading begins, tried until a broker answers; null when that is not wanted any more. */
  async #openFeed(options: ReadOptions, stopped: AbortSignal): Promise<KafkaFeed | null> {
    const { topic, partition, from, topicId, committedOnly = false } = options;
    const place = `${this.address}: ${topic}/${partition}`;
    while (!stopped.aborted) {
      try {
        let view = await this.#cluster.settledTopic(topic);
        if (topicId !== undefined && view?.id !== topicId) view = await this.#cluster.sameTopic(topic, topicId, place);
        if (view?.leaders[partition] === undefined) throw noTopic(this.address, topic, partition);
        const { start, end } = await this.#cluster.bounds(view, partition);
        this.#voice.up();
        checkPlace(place, from, start, end);
        const stable = committedOnly ? (await this.#cluster.bounds(view, partition, true)).end : end;
        return new KafkaFeed(view, partition, { place, from, end: stable, committedOnly });
      } catch (error) {
        if (!isFault(error, 'unavailable')) throw error;
        if (!stopped.aborted) this.#voice.down(messageOf(error));
        await this.#clock.sleep(RETRY_MS, stopped);
      }
    }
    return null;
  }

  async bounds(topic: string, partition: number): Promise<{ readonly start: number; readonly end: number }> {
    return this.#withLeader(topic, partition, (view) => this.#cluster.bounds(view, partition));
  }

  async offsetAtTime(topic: string, partition: number, timeMs: number): Promise<number> {
    return this.#withLeader(topic, partition, async (view) => {
      const offset = await this.#cluster.offsetAt(view, partition, Math.max(0, timeMs));
      return offset >= 0 ? offset : (await this.#cluster.bounds(view, partition)).end;
    });
  }

  async trim(topic: string, partition: number, offset: number): Promise<void> {
    const place = `${this.address}: ${topic}/${partition}`;
    await this.#withLeader(topic, partition, async (view) => {
      const { start, end } = await this.#cluster.bounds(view, partition);
      checkTrim(place, offset, end);
      if (offset <= start) return;
      const request = deleteRecordsRequest(topic, partition, offset, APPEND_TIMEOUT_MS);
      const error = await this.#cluster.askLeader(view, partition, request);
      if (error !== KAFKA.none) throw new Fault('unavailable', `${place}: not trimmed: Kafka error ${error}`);
    });
  }

  /** Asks the leader, and once more when it turned out to be another one. */
  async #withLeader<T>(topic: string, partition: number, ask: (view: TopicMetadata) => Promise<T>): Promise<T> {
    for (let isAgain = false; ; isAgain = true) {
      const view = await this.#cluster.settledTopic(topic);
      if (view?.leaders[partition] === undefined) throw noTopic(this.address, topic, partition);
      try {
        return await ask(view);
      } catch (error) {
        if (isAgain || !isFault(error, 'unavailable')) throw error;
      }
    }
  }

  /** Ends readers, refuses what waits (`unknown` where it was sent), and closes the connections without a farewell. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#cluster.close();
  }
}
