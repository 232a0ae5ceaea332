/** What only a real broker has of the ingest topic: transactions, a disk whose bytes change, topics made again and grown. */

import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { rowToJson } from '@tidemark/columnar/json-rows';
import { RowBatch } from '@tidemark/columnar/row-batch';
import { type KafkaServer, startKafka } from '@tidemark/dev/kafka/kafka';
import { Reaper } from '@tidemark/dev/reaper';
import { ROW_MUTATION_SCHEMA } from '@tidemark/ingest/ingest-schema';
import { KafkaLog } from '@tidemark/log/kafka/kafka-log';
import type { LogRecord } from '@tidemark/log/log';
import { topicNames } from '@tidemark/model/table';
import { SILENT } from '@tidemark/platform/logger';
import { SharedMemory } from '@tidemark/platform/shared-memory';
import { SystemClock } from '@tidemark/platform/system-clock';
import { fingerprint } from '@tidemark/record/fingerprint';
import { decodeMutate } from '@tidemark/record/mutate';
import avro from 'avsc';
import kafkajs, { type Producer } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { setUpWriter } from '../testing/writer-harness.ts';
import { Ingest } from './ingest.ts';

const { Kafka, logLevel, Partitioners } = kafkajs;
const clock = new SystemClock();
const mutation = avro.Type.forSchema(ROW_MUTATION_SCHEMA as unknown as avro.Schema, { wrapUnions: true });
const topic = topicNames.ingest('travel');
const rejectedTopic = topicNames.ingestRejected('travel');

function record(line: number): Buffer {
  const key = { origin: { string: `O${line % 5}` }, line: { long: line } };
  const payload = mutation.toBuffer({ table: 'flights', op: 'UPSERT', key, cells: {}, requestId: null });
  return Buffer.concat([Buffer.from([0xc3, 1]), fingerprint(ROW_MUTATION_SCHEMA), payload]);
}

describe('the ingest topic of a real broker', () => {
  const reaper = Reaper.start();
  let broker: KafkaServer;
  let kafka: kafkajs.Kafka;
  beforeAll(async () => {
    broker = await startKafka({ folder: await reaper.scratchFolder('kafka-ingest'), reaper });
    kafka = new Kafka({ brokers: [broker.address], logLevel: logLevel.NOTHING });
  }, 90_000);
  afterAll(() => reaper[Symbol.asyncDispose]());

  const producerOf = async (transactionalId: string | null): Promise<Producer & AsyncDisposable> => {
    const transactional = transactionalId === null ? {} : { transactionalId, idempotent: true, maxInFlightRequests: 1 };
    const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner, ...transactional });
    await producer.connect();
    return Object.assign(producer, { [Symbol.asyncDispose]: () => producer.disconnect() });
  };
  const messages = (...lines: number[]) =>
    lines.map((line) => ({ partition: 0, value: record(line), key: `k${line}` }));
  const until = async (holds: () => Promise<boolean>): Promise<void> => {
    while (!(await holds())) await clock.sleep(20);
  };

  it('reads what was committed and is whole, and goes on with partitions and topics made later', async () => {
    const connect = () => KafkaLog.connect([broker.address], { clock, clientId: 'test', logger: SILENT });
    const harness = await setUpWriter('local', { connect });
    await using log = await connect();
    for (const name of [topic, rejectedTopic])
      await log.ensureTopic({ name, partitions: 1, genesis: null, flushed: true });
    const rejects = async (): Promise<LogRecord[]> => {
      const found: LogRecord[] = [];
      const signal = new AbortController().signal;
      for await (const batch of log.read({ topic: rejectedTopic, partition: 0, from: 0, signal, untilEnd: true }))
        found.push(...batch.records);
      return found;
    };
    const lines = async (): Promise<number[]> => {
      const into = new RowBatch();
      const table = harness.keyspace.tables[0]!;
      const all = (await harness.accepted()).flat().flatMap(({ body }) => {
        if (body.kind !== 'Mutate') return [];
        decodeMutate(body, table, into);
        return Array.from({ length: into.rowCount }, (_, row) => Number(rowToJson(table, into, row).line));
      });
      return all.sort((a, b) => a - b);
    };
    {
      await using plain = await producerOf(null);
      await using one = await producerOf('one');
      await using other = await producerOf('other');
      await plain.send({ topic, messages: messages(0) });
      const aborted = await one.transaction();
      await aborted.send({ topic, messages: messages(900, 901) });
      const kept = await other.transaction();
      await kept.send({ topic, messages: messages(1, 2) });
      await aborted.send({ topic, messages: messages(902) });
      await aborted.abort();
      await kept.commit();
      await plain.send({ topic, messages: messages(3) });
      await using writer = await harness.start();
      await using ingest = new Ingest({
        writer,
        clock,
        logger: SILENT,
        pending: new SharedMemory(1e9),
        onFatal: (e) => harness.ended.push(e),
      });
      ingest.start();
      const open = await one.transaction();
      await open.send({ topic, messages: messages(4) });
      await plain.send({ topic, messages: messages(5) });
      await until(async () => (await lines()).length === 4);
      await clock.sleep(300);
      expect(await lines()).toEqual([0, 1, 2, 3]);
      await open.commit();
      await until(async () => (await lines()).length === 6);
      await until(async () => ingest.counts.lagRecords === 0);
    }
    // A byte of a value changes on the broker's disk while nobody reads.
    {
      await using plain = await producerOf(null);
      await plain.send({ topic, messages: messages(6) });
      await plain.send({ topic, messages: messages(777_777) });
      await plain.send({ topic, messages: messages(7) });
      const folder = join(broker.folder, 'data', `${topic}-0`);
      const segment = join(folder, (await readdir(folder)).find((name) => name.endsWith('.log'))!);
      const bytes = await readFile(segment);
      const at = bytes.indexOf('k777777');
      expect(at).toBeGreaterThan(0);
      bytes[at + 1]! ^= 1;
      await writeFile(segment, bytes);
    }
    await using writer = await harness.start();
    await using ingest = new Ingest({
      writer,
      clock,
      logger: SILENT,
      pending: new SharedMemory(1e9),
      onFatal: (e) => harness.ended.push(e),
    });
    ingest.start();
    await until(async () => (await lines()).length === 8);
    const [set] = await rejects();
    expect(String(set!.headers['tidemark-reason'])).toMatch(
      /^offset \d+: the log's batch of \d+ bytes is damaged: CRC-32C/,
    );
    const admin = kafka.admin();
    await admin.connect();
    await using plain = await producerOf(null);
    await admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] });
    await until(async () => (await log.partitionCount(topic)) === 3);
    await until(() =>
      plain.send({ topic, messages: [{ partition: 2, value: record(8) }] }).then(
        () => true,
        () => false,
      ),
    );
    await until(async () => (await lines()).length === 9);
    await admin.deleteTopics({ topics: [topic] });
    await until(async () => (await log.partitionCount(topic)) === null);
    await log.ensureTopic({ name: topic, partitions: 2, genesis: null, flushed: true });
    await using again = await producerOf(null);
    await again.send({ topic, messages: messages(9, 10) });
    await until(async () => (await lines()).length === 11);
    await admin.disconnect();
    expect(await lines()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(harness.ended).toEqual([]);
    expect(await rejects()).toHaveLength(1);
  }, 60_000);
});
