/** MirrorMaker 2 between two brokers: how long after it was sent a record can be read at the other one. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { javaProgram, mirrorMakerJars } from '@tidemark/dev/kafka/kafka-jars';
import type { Reaper } from '@tidemark/dev/reaper';
import { type Consumer, Kafka, logLevel } from 'kafkajs';
import { percentile } from './measure.ts';
import { memoryMb } from './process-cost.ts';

const TOPIC = 'beside';
const PARTITIONS = 8;
const RECORD_BYTES = 100;
const BATCH_ROWS = 1_000;
/** Sends under way at once. A producer that cannot keep the pace falls behind it. */
const LANES = 4;
const READY_MS_MAX = 60_000;

export type MirrorMakerOptions = {
  /** Addresses of the two brokers. */
  readonly from: string;
  readonly to: string;
  readonly rowsPerSecond: number;
  readonly ms: number;
  readonly folder: string;
  readonly reaper: Reaper;
};

export type MirrorMakerFigures = {
  readonly rowsPerSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly memoryMb: number;
};

/** Times are of this process's clock at both ends: before a record is sent, and when it is read. */
export async function measureMirrorMaker(options: MirrorMakerOptions): Promise<MirrorMakerFigures> {
  const { from, to, folder, reaper } = options;
  const source = kafkaAt(from);
  const target = kafkaAt(to);
  await createTopic(source, TOPIC);
  const config = join(folder, 'mirror-maker.properties');
  await writeFile(config, propertiesOf(from, to));
  const args = ['-Xmx512m', '-cp', await mirrorMakerJars(), 'org.apache.kafka.connect.mirror.MirrorMaker', config];
  const mirror = reaper.spawn(javaProgram(), args, { cwd: folder, stdio: 'ignore' });
  const latencies = new LatencyReader(target);
  try {
    await latencies.start(source);
    // Java gets faster as it goes on: the first half does not count.
    await sendPaced(source, options);
    await latencies.restart();
    const rowsPerSecond = await sendPaced(source, options);
    await latencies.settle();
    const memory = memoryMb({ name: 'mirror-maker', pid: mirror.pid! });
    return { rowsPerSecond: Math.round(rowsPerSecond), ...latencies.quantiles(), memoryMb: Math.round(memory) };
  } finally {
    await latencies.stop();
    mirror.kill('SIGKILL');
  }
}

function kafkaAt(address: string): Kafka {
  return new Kafka({ brokers: [address], clientId: 'beside', logLevel: logLevel.NOTHING, retry: { retries: 20 } });
}

function propertiesOf(from: string, to: string): string {
  const internal = ['offset-syncs.topic', 'checkpoints.topic', 'heartbeats.topic', 'offset.storage', 'status.storage'];
  return [
    'clusters = a, b',
    `a.bootstrap.servers = ${from}`,
    `b.bootstrap.servers = ${to}`,
    'a->b.enabled = true',
    'b->a.enabled = false',
    `a->b.topics = ${TOPIC}`,
    'emit.heartbeats.enabled = false',
    'emit.checkpoints.enabled = false',
    'sync.topic.acls.enabled = false',
    'refresh.topics.interval.seconds = 1',
    'tasks.max = 2',
    'replication.factor = 1',
    'config.storage.replication.factor = 1',
    ...internal.map((name) => `${name}.replication.factor = 1`),
  ].join('\n');
}

async function createTopic(kafka: Kafka, topic: string): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: PARTITIONS }], waitForLeaders: true });
  await admin.disconnect();
}

/** A record of the usual size that begins with the time. */
function recordNow(): Buffer {
  const value = Buffer.alloc(RECORD_BYTES, 7);
  value.writeDoubleLE(performance.now(), 0);
  return value;
}

async function sendPaced(kafka: Kafka, { rowsPerSecond, ms }: MirrorMakerOptions): Promise<number> {
  const producer = kafka.producer({ allowAutoTopicCreation: false });
  await producer.connect();
  const startMs = performance.now();
  const gapMs = (BATCH_ROWS / rowsPerSecond) * 1_000;
  let sent = 0;
  const lane = async (): Promise<void> => {
    while (performance.now() - startMs < ms) {
      const batch = sent++;
      const waitMs = startMs + batch * gapMs - performance.now();
      if (waitMs > 0) await sleep(waitMs);
      // Made when it is its turn: what waits for the producer is not MirrorMaker's.
      const value = recordNow();
      const messages = Array.from({ length: BATCH_ROWS }, () => ({ value, partition: batch % PARTITIONS }));
      await producer.send({ topic: TOPIC, messages, acks: -1 });
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  const rate = ((sent * BATCH_ROWS) / (performance.now() - startMs)) * 1_000;
  await producer.disconnect();
  return rate;
}

/** Reads what arrives at the other broker and notes how old it is. */
class LatencyReader {
  readonly #consumer: Consumer;
  readonly #kafka: Kafka;
  #ages: number[] = [];
  #seen = 0;

  constructor(kafka: Kafka) {
    this.#kafka = kafka;
    this.#consumer = kafka.consumer({ groupId: 'beside', maxWaitTimeInMs: 500 });
  }

  /** Resolves once a first record has come through. */
  async start(source: Kafka): Promise<void> {
    const topic = `a.${TOPIC}`;
    await createTopic(this.#kafka, topic);
    await this.#consumer.connect();
    await this.#consumer.subscribe({ topic, fromBeginning: true });
    await this.#consumer.run({
      eachBatch: async ({ batch }) => {
        const nowMs = performance.now();
        for (const { value } of batch.messages) this.#ages.push(nowMs - value!.readDoubleLE(0));
        this.#seen += batch.messages.length;
      },
    });
    const producer = source.producer();
    await producer.connect();
    const untilMs = performance.now() + READY_MS_MAX;
    for (let partition = 0; this.#seen < PARTITIONS * 2; partition++) {
      if (performance.now() > untilMs) throw new Error(`MirrorMaker 2 brought nothing within ${READY_MS_MAX} ms`);
      await producer.send({ topic: TOPIC, messages: [{ value: recordNow(), partition: partition % PARTITIONS }] });
      await sleep(50);
    }
    await producer.disconnect();
    await this.restart();
  }

  /** Forgets what was noted, once nothing arrives any more. */
  async restart(): Promise<void> {
    await this.settle();
    this.#ages = [];
  }

  /** Resolves once nothing has arrived for a while. */
  async settle(): Promise<void> {
    for (let before = -1; before !== this.#seen; ) {
      before = this.#seen;
      await sleep(1_000);
    }
  }

  quantiles(): { p50: number; p99: number } {
    const sorted = Float64Array.from(this.#ages).sort();
    const at = (share: number): number => Math.round(percentile(sorted, share) * 10) / 10;
    return { p50: at(0.5), p99: at(0.99) };
  }

  async stop(): Promise<void> {
    await Promise.race([this.#consumer.disconnect(), sleep(2_000)]);
  }
}
