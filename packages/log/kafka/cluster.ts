/** One site's brokers: who leads what, which topic is which, and the connections to ask over. */

import type { Clock } from '@tidemark/platform/clock';
import { Fault, isFault, messageOf } from '@tidemark/platform/fault';
import { notTheSame } from '../read-rules.ts';
import { KafkaLink } from './link.ts';
import {
  type ClusterMetadata,
  EARLIEST,
  LATEST,
  listOffsetsRequest,
  metadataRequest,
  type TopicMetadata,
  type WireRequest,
} from './wire.ts';

const OPEN_MS_MAX = 3_000;
const ASK_MS_MAX = 5_000;

/** How long a topic must stay missing or different before it counts: a broker that just started may know old things. */
export const SURE_MS = 1_000;
const ASK_AGAIN_MS = 200;

/**
 * What is known of a site's brokers, asked anew when it proved wrong, and one open connection for each broker and use.
 */
export class KafkaCluster {
  /** `kafka://` and the brokers that were named. */
  readonly address: string;
  /** Those brokers, `host:port` each. There may be more. */
  readonly brokers: readonly string[];
  readonly clock: Clock;
  readonly #clientId: string;
  readonly #links = new Map<string, Promise<KafkaLink>>();
  readonly #topics = new Map<string, TopicMetadata>();
  #nodes: ReadonlyMap<number, string> = new Map();
  #isClosed = false;

  /** @param clientId names this process in the brokers' logs and quotas */
  constructor(brokers: readonly string[], clock: Clock, clientId: string) {
    this.address = `kafka://${brokers.join(',')}`;
    this.brokers = brokers;
    this.clock = clock;
    this.#clientId = clientId;
  }

  get nodeCount(): number {
    return this.#nodes.size;
  }

  /**
   * A connection to a broker, opened where there is none; `purpose` keeps those apart that must not wait for each other.
   * @throws {Fault} `unavailable`, and then nothing was sent.
   */
  async link(address: string, purpose: string): Promise<KafkaLink> {
    if (this.#isClosed) throw new Fault('unavailable', `${this.address}: closed`);
    const key = `${address} ${purpose}`;
    const options = { clock: this.clock, clientId: this.#clientId, openMsMax: OPEN_MS_MAX };
    const opening = this.#links.get(key) ?? KafkaLink.open(address, options);
    this.#links.set(key, opening);
    try {
      const link = await opening;
      if (this.#isClosed) link.close();
      if (!link.isClosed) return link;
    } catch (error) {
      if (this.#links.get(key) === opening) this.#links.delete(key);
      throw error;
    }
    if (this.#links.get(key) === opening) this.#links.delete(key);
    return this.link(address, purpose);
  }

  /** @throws {Fault} `unavailable` when the node is not known (any more). */
  async nodeLink(node: number, purpose: string): Promise<KafkaLink> {
    const address = this.#nodes.get(node);
    if (address === undefined) throw new Fault('unavailable', `${this.address}: no broker leads it now`);
    return this.link(address, purpose);
  }

  /** Asks any broker that answers. @throws {Fault} `unavailable` naming what each of them said. */
  async ask<T>(request: WireRequest<T>): Promise<T> {
    const reasons: string[] = [];
    for (const address of new Set([...this.#nodes.values(), ...this.brokers])) {
      try {
        const link = await this.link(address, 'ask');
        return await link.send(request, ASK_MS_MAX);
      } catch (error) {
        if (isFault(error, 'invalid')) throw error;
        reasons.push(`${address}: ${messageOf(error)}`);
      }
    }
    throw new Fault('unavailable', `${this.address}: no broker answers: ${reasons.join('; ')}`);
  }

  /** Asks the leader of a partition. @throws {Fault} `unavailable`; `notFound` from `topic`. */
  async askLeader<T>(view: TopicMetadata, partition: number, request: WireRequest<T>): Promise<T> {
    const link = await this.nodeLink(view.leaders[partition]!, 'ask');
    try {
      return await link.send(request, ASK_MS_MAX);
    } catch (error) {
      this.#topics.delete(view.name);
      throw new Fault('unavailable', `${this.address}: ${messageOf(error)}`, { cause: error });
    }
  }

  /** What the brokers say now. @param names null asks for all topics */
  async metadata(names: readonly string[] | null): Promise<ClusterMetadata> {
    const found = await this.ask(metadataRequest(names));
    this.#nodes = found.nodes;
    for (const name of names ?? this.#topics.keys()) this.#topics.delete(name);
    for (const topic of found.topics) this.#topics.set(topic.name, topic);
    return found;
  }

  /** The topic as last heard of, asked for where nothing was heard; null when there is none. */
  async topic(name: string): Promise<TopicMetadata | null> {
    const known = this.#topics.get(name);
    if (known !== undefined && !known.leaders.includes(-1)) return known;
    const found = await this.metadata([name]);
    return found.topics[0] ?? null;
  }

  /** Forgets what was heard, as it proved wrong. */
  forget(name: string): void {
    this.#topics.delete(name);
  }

  /**
   * The topic, which must still be the one with this id.
   * @throws {Fault} `corrupt`: it was deleted or made again, said over a second. `unavailable`
   */
  async sameTopic(name: string, id: string, place: string): Promise<TopicMetadata> {
    const sinceMs = this.clock.monotonicMs();
    for (;;) {
      const { topics } = await this.metadata([name]);
      const found = topics[0];
      if (found?.id === id) return found;
      if (this.clock.monotonicMs() - sinceMs >= SURE_MS) throw notTheSame(place, found?.id ?? 'none', id);
      await this.clock.sleep(ASK_AGAIN_MS);
    }
  }

  /** The topic, which may be too new for one of the brokers. Null once it has been missing for a while. */
  async settledTopic(name: string): Promise<TopicMetadata | null> {
    for (let tries = 0; ; tries++) {
      const found = await this.topic(name);
      if (found !== null || tries === 2) return found;
      await this.clock.sleep(ASK_AGAIN_MS);
    }
  }

  /** First offset left and the offset after the last record. @throws {Fault} `unavailable` */
  async bounds(
    view: TopicMetadata,
    partition: number,
    committedOnly = false,
  ): Promise<{ readonly start: number; readonly end: number }> {
    const places = [EARLIEST, LATEST].map((time) => this.offsetAt(view, partition, time, committedOnly));
    const [start, end] = await Promise.all(places);
    return { start: start!, end: end! };
  }

  /** Offset at a time in ms, `EARLIEST` or `LATEST`; -1 when no record is that young. @throws {Fault} `unavailable` */
  async offsetAt(view: TopicMetadata, partition: number, timeMs: number, committedOnly = false): Promise<number> {
    const request = listOffsetsRequest(view.name, partition, timeMs, committedOnly);
    const { error, offset } = await this.askLeader(view, partition, request);
    if (error === 0) return offset;
    this.#topics.delete(view.name);
    throw new Fault(
      'unavailable',
      `${this.address}: ${view.name}/${partition}: offsets not known: Kafka error ${error}`,
    );
  }

  close(): void {
    this.#isClosed = true;
    for (const opening of this.#links.values())
      opening.then(
        (link) => link.close(),
        () => {},
      );
  }
}
