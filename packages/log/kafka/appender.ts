/**
 * The way into Kafka: the appends that wait go out in one request per free lane, a lane being a connection with one
 * request under way. So a partition has one send under way at most, in order, and flushes run side by side.
 *
 * Producers that send again by themselves change order and count. Here nothing is ever sent twice, and whatever went wrong
 * after the first byte was sent is `unknown`.
 */

import type { Clock } from '@tidemark/platform/clock';
import { Fault, messageOf } from '@tidemark/platform/fault';
import type { KafkaCluster } from './cluster.ts';
import type { KafkaLink } from './link.ts';
import { type Produced, type ProducePart, produceRequest } from './wire.ts';

const LANES = 4;
const REQUEST_BYTES_MAX = 16 * 1024 * 1024;

type Waiting = {
  readonly part: ProducePart;
  readonly deadlineMs: number;
  readonly settle: (result: Produced | Error) => void;
};

/** One broker's waiting appends and lanes. */
type Outlet = { readonly freeLanes: number[]; waiting: Waiting[]; isScheduled: boolean };

/** Sends appends to the partitions' leaders, once each: it never repeats one whose answer was lost. */
export class KafkaAppender {
  readonly #cluster: KafkaCluster;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #outlets = new Map<number, Outlet>();

  constructor(cluster: KafkaCluster, timeoutMs: number) {
    this.#cluster = cluster;
    this.#clock = cluster.clock;
    this.#timeoutMs = timeoutMs;
  }

  /** The broker's answer, be it an error code. @throws {Fault} `unavailable`: nothing was sent. `unknown`: no answer. */
  async send(part: ProducePart, leader: number): Promise<Produced> {
    let outlet = this.#outlets.get(leader);
    if (outlet === undefined) {
      outlet = { freeLanes: Array.from({ length: LANES }, (_, lane) => lane), waiting: [], isScheduled: false };
      this.#outlets.set(leader, outlet);
    }
    const to = outlet;
    const result = await new Promise<Produced | Error>((settle) => {
      to.waiting.push({ part, deadlineMs: this.#clock.monotonicMs() + this.#timeoutMs, settle });
      this.#schedule(leader, to);
    });
    if (result instanceof Error) throw result;
    return result;
  }

  /** Once per turn of the event loop, so that what is appended together is sent together. */
  #schedule(leader: number, outlet: Outlet): void {
    if (outlet.isScheduled || outlet.freeLanes.length === 0 || outlet.waiting.length === 0) return;
    outlet.isScheduled = true;
    setImmediate(() => {
      outlet.isScheduled = false;
      while (outlet.freeLanes.length > 0 && outlet.waiting.length > 0) {
        const share = takeShare(outlet.waiting, Math.ceil(outlet.waiting.length / outlet.freeLanes.length));
        void this.#sendShare(leader, outlet, outlet.freeLanes.pop()!, share);
      }
    });
  }

  async #sendShare(leader: number, outlet: Outlet, lane: number, share: readonly Waiting[]): Promise<void> {
    try {
      const link = await this.#open(leader, lane, share);
      if (link !== null) await this.#exchange(link, share);
    } finally {
      outlet.freeLanes.push(lane);
      this.#schedule(leader, outlet);
    }
  }

  async #open(leader: number, lane: number, share: readonly Waiting[]): Promise<KafkaLink | null> {
    try {
      return await this.#cluster.nodeLink(leader, `append ${lane}`);
    } catch (error) {
      for (const { part, settle } of share) {
        this.#cluster.forget(part.topic);
        settle(new Fault('unavailable', `${this.#place(part)}: not sent: ${messageOf(error)}`, { cause: error }));
      }
      return null;
    }
  }

  async #exchange(link: KafkaLink, taken: readonly Waiting[]): Promise<void> {
    const share = taken.filter((one) => !this.#isLate(one));
    if (share.length === 0) return;
    const leftMs = Math.min(...share.map(({ deadlineMs }) => deadlineMs)) - this.#clock.monotonicMs();
    const request = produceRequest(
      share.map(({ part }) => part),
      Math.ceil(leftMs),
      link.produceVersion,
    );
    try {
      const answers = await link.send(request, leftMs);
      share.forEach(({ settle }, index) => {
        settle(answers[index]!);
      });
    } catch (error) {
      for (const { part, settle } of share) {
        this.#cluster.forget(part.topic);
        settle(
          new Fault('unknown', `${this.#place(part)}: no answer to the append: ${messageOf(error)}`, { cause: error }),
        );
      }
    }
  }

  /** Its time went by while it waited for a lane, so it is not sent at all. */
  #isLate({ part, deadlineMs, settle }: Waiting): boolean {
    if (deadlineMs > this.#clock.monotonicMs()) return false;
    settle(new Fault('unavailable', `${this.#place(part)}: not sent within ${this.#timeoutMs} ms`));
    return true;
  }

  #place({ topic, partition }: ProducePart): string {
    return `${this.#cluster.address}: ${topic}/${partition}`;
  }
}

/** The first `count` at most, and no more than a request may hold. */
function takeShare(waiting: Waiting[], count: number): Waiting[] {
  let bytes = 0;
  let taken = 0;
  while (taken < count) {
    bytes += waiting[taken]!.part.records.length;
    if (taken > 0 && bytes > REQUEST_BYTES_MAX) break;
    taken++;
  }
  return waiting.splice(0, taken);
}
