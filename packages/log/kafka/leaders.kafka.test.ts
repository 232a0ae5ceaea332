/** Two brokers of one site: the leader of a partition is moved, and killed, under append and read. */

import { type KafkaServer, startKafka } from '@tidemark/dev/kafka/kafka';
import { Reaper } from '@tidemark/dev/reaper';
import { SystemClock } from '@tidemark/platform/system-clock';
import { type Admin, Kafka, logLevel, type PartitionMetadata } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bytes, eventually, readAll, texts, topic, until } from '../contract/values.ts';
import { KafkaLog } from './kafka-log.ts';

const TOPIC = 'led';
const clock = new SystemClock();

describe('a partition whose leader changes', () => {
  const reaper = Reaper.start();
  let brokers: readonly [KafkaServer, KafkaServer];
  let admin: Admin;

  beforeAll(async () => {
    const first = await startKafka({ folder: await reaper.scratchFolder('kafka-leaders'), reaper });
    const second = await startKafka({ folder: await reaper.scratchFolder('kafka-leaders'), reaper, beside: first });
    brokers = [first, second];
    admin = new Kafka({ brokers: [first.address], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
  }, 90_000);

  afterAll(async () => {
    await admin.disconnect();
    await reaper[Symbol.asyncDispose]();
  });

  /** Waits until the brokers say so of the partition. */
  async function untilKnown(holds: (one: PartitionMetadata) => boolean): Promise<void> {
    for (;;) {
      const { topics } = await admin.fetchTopicMetadata({ topics: [TOPIC] });
      if (holds(topics[0]!.partitions[0]!)) return;
      await clock.sleep(20);
    }
  }

  /** Gives the partition to these brokers; the leader stays if it is one of them. */
  async function moveTo(...nodes: readonly number[]): Promise<void> {
    const partitionAssignment = [{ partition: 0, replicas: [...nodes] }];
    await admin.alterPartitionReassignments({ topics: [{ topic: TOPIC, partitionAssignment }] });
    await untilKnown(({ replicas, isr }) => replicas.length === nodes.length && isr.length === nodes.length);
  }

  it('takes every acknowledged record once, and its readers see each once, in order', async () => {
    const addresses = brokers.map(({ address }) => address);
    const connect = (): Promise<KafkaLog> => KafkaLog.connect(addresses, { clock, clientId: 'test' });
    await using log = await connect();
    // Unavailable until both brokers are up, as it would have one replica for ever.
    await eventually(() => log.ensureTopic(topic(TOPIC, { partitions: 1 })));
    await using other = await connect();
    const seen: string[] = [];
    const stop = new AbortController();
    const reading = (async () => {
      const options = { topic: TOPIC, partition: 0, from: 0, signal: stop.signal };
      for await (const { records } of other.read(options)) seen.push(...texts(records));
    })();
    const acked = new Map<number, string>();
    let isOver = false;
    const appending = (async () => {
      for (let i = 0; !isOver; i++) {
        try {
          acked.set(await log.append(TOPIC, 0, [{ value: bytes(`${i}`) }]), `${i}`);
        } catch (error) {
          expect(['unavailable', 'unknown']).toContain((error as { kind: string }).kind);
          await clock.sleep(20);
        }
      }
    })();
    /** Appended and read under the leader there is: one that came back later would serve what was missed. */
    const someMore = async (): Promise<void> => {
      const before = acked.size;
      await until(() => acked.size > before + 50);
      const newest = [...acked.values()].at(-1)!;
      await until(() => seen.includes(newest));
    };
    await someMore();
    for (const [leader, follower] of [
      [1, 2],
      [2, 1],
      [1, 2],
    ] as const) {
      await moveTo(follower);
      await untilKnown((one) => one.leader === follower);
      await someMore();
      await moveTo(follower, leader);
    }
    await untilKnown((one) => one.leader === 2);
    await brokers[1].kill();
    await untilKnown((one) => one.leader === 1);
    await someMore();
    isOver = true;
    await appending;
    const stored = texts(await readAll(log, TOPIC, 0));
    await until(() => seen.length >= stored.length);
    stop.abort();
    await reading;
    expect(seen).toEqual(stored);
    for (const [offset, text] of acked) expect(stored[offset]).toBe(text);
    // What was unknown is there once at most, as it is never sent twice.
    expect(new Set(stored).size).toBe(stored.length);
  });
});
