import { RowBatch } from '@tidemark/columnar/row-batch';
import { type KafkaServer, startKafka } from '@tidemark/dev/kafka/kafka';
import { Reaper } from '@tidemark/dev/reaper';
import { KafkaProxy } from '@tidemark/dev/testing/kafka-proxy';
import { KafkaLog } from '@tidemark/log/kafka/kafka-log';
import { tableNamed } from '@tidemark/model/table';
import { SystemClock } from '@tidemark/platform/system-clock';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Growth } from './ingress/growth.ts';
import { addRow, slicesOf } from './ingress/slicing.ts';
import { submit } from './ingress/submit.ts';
import { setUpWriter } from './testing/writer-harness.ts';
import type { Writer } from './writer.ts';

const clock = new SystemClock();
const BATCHES = 60;
const BATCH_ROWS = 20;

describe('writer on Kafka', () => {
  let reaper: Reaper;
  let broker: KafkaServer;
  let proxy: KafkaProxy;
  beforeAll(async () => {
    reaper = Reaper.start();
    broker = await startKafka({ folder: await reaper.scratchFolder('writer'), reaper });
    proxy = await KafkaProxy.start(broker.port);
  });
  afterAll(async () => {
    await proxy[Symbol.asyncDispose]();
    await reaper[Symbol.asyncDispose]();
  });

  const put = (writer: Writer, batch: number): Promise<{ accepted: number }> => {
    const growth = new Growth(writer);
    const into = new RowBatch();
    for (let i = 0; i < BATCH_ROWS; i++)
      addRow(growth, 'flights', { origin: `O${i % 7}`, line: batch * 100 + i, delay: i }, into);
    const head = {
      table: tableNamed(writer.keyspace, 'flights'),
      schemaVersion: writer.keyspace.version,
      requestId: `k${batch}/0`,
    };
    const options = { ack: { name: 'local', k: 0 } as const, timeoutMs: 30_000, clock, site: 'paris' };
    return submit(writer, slicesOf(head, into, 4), options);
  };

  it('answers lost after the write and a broker paused past the time-out: each row accepted once, each ack right', async () => {
    const connect = (): Promise<KafkaLog> =>
      KafkaLog.connect([`127.0.0.1:${proxy.port}`], { clock, clientId: 'test', appendTimeoutMs: 700 });
    const { start, rowsIn, ended } = await setUpWriter('local', { connect });
    await using writer = await start();
    const receipts: Promise<{ accepted: number }>[] = [];
    for (let batch = 0; batch < BATCHES; batch++) {
      if (batch % 10 === 3) proxy.losesNextAppendAnswer = true;
      if (batch % 20 === 7) proxy.cut();
      if (batch === 30) {
        await broker.pause();
        void clock.sleep(2_000).then(() => broker.resume());
      }
      receipts.push(put(writer, batch));
      await clock.sleep(5);
    }
    for (const receipt of await Promise.all(receipts)) expect(receipt.accepted).toBe(BATCH_ROWS);
    expect(await rowsIn()).toBe(BATCHES * BATCH_ROWS);
    // What was acked is known again under its key, and not written twice.
    for (let batch = 0; batch < BATCHES; batch += 7) await put(writer, batch);
    expect(await rowsIn()).toBe(BATCHES * BATCH_ROWS);
    expect(ended).toEqual([]);
  }, 90_000);
});
