/** A broker's own files with a byte that changed while it was down: what is read is right, and the rest is said to be damaged. */

import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type KafkaServer, startKafka } from '@tidemark/dev/kafka/kafka';
import { Reaper } from '@tidemark/dev/reaper';
import { SILENT } from '@tidemark/platform/logger';
import { SystemClock } from '@tidemark/platform/system-clock';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KafkaLog } from './kafka-log.ts';

const TOPIC = 'damaged';
const BATCHES = 40;
const PER_BATCH = 3;
const RECORD_BYTES = 700;
const HURT = 17;

const value = (offset: number): string => `${offset} ${'.'.repeat(RECORD_BYTES)}`;

/** What is changed, by partition: a byte of the batch's header or body, or of the offset index. */
const HARMS = [
  { what: 'a record', file: '.log', at: 200, to: 0x55 },
  { what: 'a length, which becomes short', file: '.log', at: 11, to: 0x10 },
  { what: 'a length, which becomes longer than the file', file: '.log', at: 8, to: 0x10 },
  { what: 'a length, which becomes negative', file: '.log', at: 8, to: 0x80 },
  { what: 'a magic number', file: '.log', at: 16, to: 0x01 },
  { what: 'an offset, which becomes higher', file: '.log', at: 6, to: 0x10 },
  { what: 'an offset, which becomes lower', file: '.log', at: 7, to: 0x00 },
  { what: 'the last offset of a batch', file: '.log', at: 26, to: 0x20 },
  { what: 'an offset in the index', file: '.index', at: 3, to: 0x00 },
  { what: 'a place in the index', file: '.index', at: 6, to: 0x01 },
] as const;

/** Of the last batch, by partition: its leader epoch, which no checksum covers and by which a broker judges what was read. */
const ELECTED = 'elected';
const EPOCHS = [
  { what: 'never was', at: 14, to: 0x01 },
  { what: 'is negative', at: 12, to: 0x80 },
] as const;

async function change(path: string, at: number, to: number): Promise<void> {
  const file = await open(path, 'r+');
  await file.write(Buffer.of(to), 0, 1, at);
  await file.close();
}

/** Where a batch begins in its segment. */
async function placeOf(path: string, batch: number): Promise<number> {
  const bytes = await readFile(path);
  let at = 0;
  for (let n = 0; n < batch; n++) at += 12 + bytes.readInt32BE(at + 8);
  return at;
}

describe('a broker whose files were damaged while it was down', () => {
  const reaper = Reaper.start();
  const clock = new SystemClock();
  let broker: KafkaServer;
  let log: KafkaLog;
  beforeAll(async () => {
    broker = await startKafka({ folder: await reaper.scratchFolder('kafka-damage'), reaper });
    log = await KafkaLog.connect([broker.address], { clock, clientId: 'test', logger: SILENT });
    await log.ensureTopic({ name: TOPIC, partitions: HARMS.length, genesis: null, flushed: true });
    await log.ensureTopic({ name: ELECTED, partitions: EPOCHS.length, genesis: null, flushed: true });
    const fill = async (topic: string, partition: number): Promise<void> => {
      for (let batch = 0; batch < BATCHES; batch++) {
        const entries = Array.from({ length: PER_BATCH }, (_, n) => ({
          value: Buffer.from(value(batch * PER_BATCH + n)),
        }));
        await log.append(topic, partition, entries);
      }
    };
    await Promise.all(HARMS.map((_, partition) => fill(TOPIC, partition)));
    await Promise.all(EPOCHS.map((_, partition) => fill(ELECTED, partition)));
    await broker.stop();
    const pathOf = async (topic: string, partition: number, file: string): Promise<string> => {
      const folder = join(broker.folder, 'data', `${topic}-${partition}`);
      return join(folder, (await readdir(folder)).find((name) => name.endsWith(file))!);
    };
    for (const [partition, { at, to }] of EPOCHS.entries()) {
      const path = await pathOf(ELECTED, partition, '.log');
      await change(path, (await placeOf(path, BATCHES - 1)) + at, to);
    }
    for (const [partition, { file, at, to }] of HARMS.entries()) {
      const path = await pathOf(TOPIC, partition, file);
      await change(path, (file === '.index' ? 8 * 3 : await placeOf(path, HURT)) + at, to);
    }
    await broker.start();
  }, 120_000);
  afterAll(async () => {
    await log[Symbol.asyncDispose]();
    await reaper[Symbol.asyncDispose]();
  });

  for (const [partition, { what }] of EPOCHS.entries()) {
    it(`a leader epoch at the end that ${what}: all is read, and what comes behind, once`, async () => {
      const end = BATCHES * PER_BATCH;
      const found: number[] = [];
      const enough = new AbortController();
      let isAppended = false;
      for await (const { records } of log.read({ topic: ELECTED, partition, from: 0, signal: enough.signal })) {
        for (const { offset, value: bytes } of records) {
          found.push(offset);
          expect(String(bytes)).toBe(value(offset));
        }
        if (found.length === end + 1) enough.abort();
        if (found.length < end || isAppended) continue;
        isAppended = true;
        await clock.sleep(1_500);
        await log.append(ELECTED, partition, [{ value: Buffer.from(value(end)) }]);
      }
      expect(found).toEqual(Array.from({ length: end + 1 }, (_, offset) => offset));
    }, 30_000);
  }

  for (const [partition, { what }] of HARMS.entries()) {
    it(`${what}: every offset is given once, as it is or damaged, and what stands behind is read`, async () => {
      const end = BATCHES * PER_BATCH;
      for (const from of [0, HURT * PER_BATCH + 1, end - 2]) {
        const found: (readonly [number, string])[] = [];
        const signal = new AbortController().signal;
        for await (const { records } of log.read({ topic: TOPIC, partition, from, signal, untilEnd: true })) {
          for (const { offset, value: bytes, damage } of records)
            found.push([offset, damage === null ? String(bytes) : 'damaged']);
        }
        expect(found.map(([offset]) => offset)).toEqual(Array.from({ length: end - from }, (_, i) => from + i));
        for (const [offset, text] of found) expect([value(offset), 'damaged']).toContain(text);
        // Behind the next entry of the index the broker finds its way again.
        expect(found.at(-1)).toEqual([end - 1, value(end - 1)]);
        if (from === 0) expect(found.slice(0, HURT * PER_BATCH).every(([, text]) => text !== 'damaged')).toBe(true);
      }
    }, 30_000);
  }
});
