/** How fast rows are acked on one broker: ours by the writer's whole way in, against kafkajs with one row a record. */

import { addColumnar } from '@tidemark/columnar/columnar';
import { RowBatch } from '@tidemark/columnar/row-batch';
import { initialValue } from '@tidemark/control/consensus/register-value';
import { KafkaLog } from '@tidemark/log/kafka/kafka-log';
import { type Keyspace, tableNamed, topicNames } from '@tidemark/model/table';
import { SILENT } from '@tidemark/platform/logger';
import { NodeDisk } from '@tidemark/platform/node-disk';
import { SystemRandom } from '@tidemark/platform/random';
import { SystemClock } from '@tidemark/platform/system-clock';
import { TIMING } from '@tidemark/platform/timing';
import { NO_CHAIN } from '@tidemark/record/envelope';
import { sealRecord } from '@tidemark/record/seal';
import { slicesOf } from '@tidemark/writer/ingress/slicing';
import { submit } from '@tidemark/writer/ingress/submit';
import { Writer } from '@tidemark/writer/writer';
import { Kafka, logLevel, type Producer } from 'kafkajs';
import { columnarBodies, FLIGHT_AVRO, type Flight, flightsKeyspace, inGroups } from './flight-rows.ts';
import { contest, type Figures, rateOf } from './measure.ts';

const SITE = 'paris';
const PARTITIONS = 8;
const OUR_BATCH_ROWS = 8_000;
const PEER_BATCH_ROWS = 1_000;
/** Requests, or sends, that wait for their ack at once. */
const LANES = 4;
const ACK_WAIT_MS = 60_000;
/** The peer is the slower one: with as many rows it would take most of the time. */
const OUR_PASSES = 6;

const clock = new SystemClock();

/** @param address the broker. @param folder for the writer's checkpoint */
export async function measureAcked(
  rows: readonly Flight[],
  address: string,
  folder: string,
  runs: number,
): Promise<Figures> {
  const keyspace = flightsKeyspace({ ack: 'local', sites: [SITE], partitions: PARTITIONS });
  await using log = await KafkaLog.connect([address], { clock, clientId: 'bench' });
  await using writer = await startWriter(log, keyspace, folder);
  const bodies = columnarBodies(rows, OUR_BATCH_ROWS);
  const groups = inGroups(rows, PEER_BATCH_ROWS);
  const producer = await startProducer(address);
  try {
    return await contest(runs, {
      ours: () => rateOf(rows.length * OUR_PASSES, () => writeAll(writer, bodies)),
      'kafkajs and avsc, one row a record': () => rateOf(rows.length, () => sendAll(producer, groups)),
    });
  } finally {
    await producer.disconnect();
  }
}

async function startWriter(log: KafkaLog, keyspace: Keyspace, folder: string): Promise<Writer> {
  const cluster = 'bench';
  const genesis = (partition: number): Buffer =>
    sealRecord(
      {
        ...{ cluster, keyspace: keyspace.name, origin: SITE, partition, epoch: 0, seq: -1 },
        ...{ stampMs: 0, stampCounter: 0, writer: 0, committed: -1 },
        body: { kind: 'Genesis', logId: 'bench' },
      },
      NO_CHAIN,
    ).bytes;
  const topic = topicNames.log(keyspace.name, SITE);
  await log.ensureTopic({ name: topic, partitions: PARTITIONS, flushed: false, genesis });
  const writerId = 'bench';
  const value = { ...initialValue(keyspace), terms: [{ epoch: 1, site: SITE, writerId, epochEnds: null }] };
  return Writer.start({
    elected: { value, epoch: 1, writerId },
    ...{ cluster, site: SITE, keyspace, log, clock, timing: TIMING, logger: SILENT },
    disk: new NodeDisk(folder),
    random: new SystemRandom(),
    network: { async *lines() {}, ask: () => Promise.reject(new Error('nobody answers')) },
    peers: new Map(),
    onEnded: (error) => {
      throw error;
    },
    onCommitted: () => {},
  });
}

/** Each lane as an HTTP request would: decode the body, cut it, write it, wait for the ack. */
async function writeAll(writer: Writer, bodies: readonly Buffer[]): Promise<void> {
  const table = tableNamed(writer.keyspace, 'flights');
  const head = { table, schemaVersion: writer.keyspace.version, requestId: '' };
  const options = { ack: { name: 'local', k: 0 }, timeoutMs: ACK_WAIT_MS, clock, site: SITE } as const;
  let next = 0;
  const lane = async (): Promise<void> => {
    const batch = new RowBatch();
    while (next < bodies.length * OUR_PASSES) {
      batch.clear();
      addColumnar(table, bodies[next++ % bodies.length]!, batch);
      await submit(writer, slicesOf(head, batch, PARTITIONS), options);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}

async function startProducer(address: string): Promise<Producer> {
  const kafka = new Kafka({ brokers: [address], clientId: 'peer', logLevel: logLevel.NOTHING, retry: { retries: 5 } });
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: 'peer', numPartitions: PARTITIONS }], waitForLeaders: true });
  await admin.disconnect();
  const producer = kafka.producer({ allowAutoTopicCreation: false });
  await producer.connect();
  return producer;
}

async function sendAll(producer: Producer, groups: readonly (readonly Flight[])[]): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < groups.length) {
      const partition = next % PARTITIONS;
      const messages = groups[next++]!.map((row) => ({ value: FLIGHT_AVRO.toBuffer(row), partition }));
      await producer.send({ topic: 'peer', messages, acks: -1 });
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}
