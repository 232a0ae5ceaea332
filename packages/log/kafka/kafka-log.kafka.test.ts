import { stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { freePort } from '@tidemark/dev/free-port';
import { type KafkaServer, startKafka } from '@tidemark/dev/kafka/kafka';
import { Reaper } from '@tidemark/dev/reaper';
import { KafkaProxy } from '@tidemark/dev/testing/kafka-proxy';
import { SILENT } from '@tidemark/platform/logger';
import { SystemClock } from '@tidemark/platform/system-clock';
import kafkajs, { type Admin } from 'kafkajs';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { describeLog } from '../contract/contract.ts';
import { bytes, eventually, readAll, texts, topic, until } from '../contract/values.ts';
import type { Log } from '../log.ts';
import { KafkaLog } from './kafka-log.ts';

const { CompressionCodecs, CompressionTypes, ConfigResourceTypes, Kafka, logLevel, Partitioners } = kafkajs;

const clock = new SystemClock();
let serial = 0;

/** A name nobody else uses: the brokers may be shared, and hold what earlier runs left. */
function freshPrefix(): string {
  return `tidemark-test-${process.pid}-${clock.nowMs()}-${serial++}.`;
}

function connectTo(brokers: readonly string[], appendTimeoutMs = 5_000): Promise<KafkaLog> {
  return KafkaLog.connect(brokers, { clock, clientId: 'test', appendTimeoutMs });
}

/** The operator's own tool. */
async function asOperator<T>(brokers: readonly string[], work: (admin: Admin) => Promise<T>) {
  const admin = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}

async function deleteTopic(brokers: readonly string[], name: string): Promise<void> {
  await asOperator(brokers, (admin) => admin.deleteTopics({ topics: [name] }));
}

/** A log whose topics all begin with `prefix`, which the suite does not see. */
function prefixed(log: Log, prefix: string): Log {
  return {
    address: log.address,
    ensureTopic: (spec) => log.ensureTopic({ ...spec, name: prefix + spec.name }),
    partitionCount: (name) => log.partitionCount(prefix + name),
    topicId: (name) => log.topicId(prefix + name),
    topics: async () =>
      (await log.topics()).filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length)),
    append: (name, partition, entries) => log.append(prefix + name, partition, entries),
    read: (options) => log.read({ ...options, topic: prefix + options.topic }),
    bounds: (name, partition) => log.bounds(prefix + name, partition),
    offsetAtTime: (name, partition, timeMs) => log.offsetAtTime(prefix + name, partition, timeMs),
    trim: (name, partition, offset) => log.trim(prefix + name, partition, offset),
    [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
  };
}

describeLog('kafka', async () => {
  const brokers = inject('kafka')[0]!;
  const prefix = freshPrefix();
  const log = await connectTo(brokers);
  return {
    log: prefixed(log, prefix),
    another: async () => prefixed(await connectTo(brokers), prefix),
    deleteTopic: (name) => deleteTopic(brokers, prefix + name),
    [Symbol.asyncDispose]: async () => {
      await asOperator(brokers, async (admin) => {
        const left = (await admin.listTopics()).filter((name) => name.startsWith(prefix));
        if (left.length > 0) await admin.deleteTopics({ topics: left });
      });
    },
  };
});

describe('kafka log under faults', () => {
  const reaper = Reaper.start();
  let broker: KafkaServer;
  let proxy: KafkaProxy;
  let name: string;

  beforeAll(async () => {
    broker = await startKafka({ folder: await reaper.scratchFolder('kafka-log'), reaper });
    proxy = await KafkaProxy.start(broker.port);
  }, 90_000);

  afterAll(async () => {
    await proxy[Symbol.asyncDispose]();
    await reaper[Symbol.asyncDispose]();
  });

  beforeEach(() => {
    name = `faults-${serial++}`;
  });

  /** Follows t/0 of a log into `seen` until disposed; a fault of the reader fails the test there. */
  function follow(log: Log, seen: string[], from = 0): AsyncDisposable & { readonly ended: Promise<void> } {
    const abort = new AbortController();
    const reading = (async () => {
      for await (const batch of log.read({ topic: name, partition: 0, from, signal: abort.signal }))
        seen.push(...texts(batch.records));
    })();
    reading.catch(() => {});
    return {
      ended: reading,
      [Symbol.asyncDispose]: async () => {
        abort.abort();
        await reading;
      },
    };
  }

  it('a broker killed and restarted under append and read: every acknowledged record once, readers see each once', async () => {
    await using log = await connectTo([broker.address]);
    await log.ensureTopic(topic(name, { flushed: true }));
    await using other = await connectTo([broker.address]);
    const seen: string[] = [];
    await using following = follow(other, seen);
    const acked = new Map<number, string>();
    const kinds = new Set<string>();
    let isKilled = false;
    const appending = (async () => {
      for (let i = 0; !isKilled || acked.size < 200; i++) {
        try {
          acked.set(await log.append(name, 0, [{ value: bytes(`${i}`) }]), `${i}`);
        } catch (error) {
          kinds.add((error as { kind: string }).kind);
          await clock.sleep(20);
        }
      }
    })();
    await until(() => acked.size > 50);
    await broker.kill();
    await clock.sleep(300);
    await broker.restart();
    isKilled = true;
    await appending;
    const stored = await readAll(log, name, 0);
    await until(() => seen.length >= stored.length);
    expect(seen).toEqual(texts(stored));
    for (const [offset, text] of acked) expect(texts([stored[offset]!])).toEqual([text]);
    expect(new Set(seen).size).toBe(seen.length);
    for (const kind of kinds) expect(['unavailable', 'unknown']).toContain(kind);
    expect(kinds).toContain('unavailable');
    await following[Symbol.asyncDispose]();
  });

  it('an append whose answer is lost is unknown, and the record is there once', async () => {
    await using log = await connectTo([`127.0.0.1:${proxy.port}`]);
    await log.ensureTopic(topic(name));
    await log.append(name, 0, [{ value: bytes('a') }]);
    proxy.losesNextAppendAnswer = true;
    await expect(log.append(name, 0, [{ value: bytes('b') }])).rejects.toMatchObject({ kind: 'unknown' });
    await log.append(name, 0, [{ value: bytes('c') }]);
    expect(texts(await readAll(log, name, 0))).toEqual(['a', 'b', 'c']);
  });

  it.each([-7, 0, 3, 0x7fffffff])(
    'an answer whose length came as %i ends a connection, not the process',
    async (length) => {
      await using log = await connectTo([`127.0.0.1:${proxy.port}`], 500);
      await log.ensureTopic(topic(name));
      await log.append(name, 0, [{ value: bytes('a') }]);
      proxy.spoilsNextAppendLength = length;
      await expect(log.append(name, 0, [{ value: bytes('b') }])).rejects.toMatchObject({ kind: 'unknown' });
      await log.append(name, 0, [{ value: bytes('c') }]);
      expect(texts(await readAll(log, name, 0))).toEqual(['a', 'b', 'c']);
    },
  );

  it('a reader whose connections are cut again and again loses nothing and repeats nothing', async () => {
    await using log = await connectTo([broker.address]);
    await log.ensureTopic(topic(name));
    await using other = await connectTo([`127.0.0.1:${proxy.port}`]);
    const seen: string[] = [];
    await using following = follow(other, seen);
    for (let i = 0; i < 100; i++) {
      await log.append(name, 0, [{ value: bytes(`${i}`) }]);
      if (i % 10 === 5) proxy.cut();
    }
    await until(() => seen.length >= 100);
    expect(seen).toEqual(Array.from({ length: 100 }, (_, i) => `${i}`));
    await following[Symbol.asyncDispose]();
  });

  it('an append to a broker that does not answer in time is unknown, and lands when the broker wakes', async () => {
    await using log = await connectTo([broker.address], 500);
    await log.ensureTopic(topic(name));
    await log.append(name, 0, [{ value: bytes('a') }]);
    await broker.pause();
    try {
      await expect(log.append(name, 0, [{ value: bytes('b') }])).rejects.toMatchObject({ kind: 'unknown' });
    } finally {
      broker.resume();
    }
    await untilTrue(async () => (await log.bounds(name, 0).catch(() => ({ end: 0 }))).end === 2);
    expect(texts(await readAll(log, name, 0))).toEqual(['a', 'b']);
  });

  it('without a broker it is unavailable at once, readers wait for it, and closing does not hang', async () => {
    const address = `127.0.0.1:${await freePort()}`;
    const log = await connectTo([address]);
    await expect(log.topics()).rejects.toMatchObject({
      kind: 'unavailable',
      message: expect.stringContaining(address),
    });
    await expect(log.append('t', 0, [{ value: bytes('a') }])).rejects.toMatchObject({ kind: 'unavailable' });
    await expect(log.ensureTopic(topic('t'))).rejects.toMatchObject({ kind: 'unavailable' });
    const reading = readAll(log, 't', 0);
    await log[Symbol.asyncDispose]();
    expect(await reading).toEqual([]);
  });

  it('a reader that begins while the broker is away goes on when it is there, and says each change once', async () => {
    {
      await using log = await connectTo([broker.address]);
      await log.ensureTopic(topic(name));
      await log.append(name, 0, [{ value: bytes('a') }]);
    }
    await broker.stop();
    const said: string[] = [];
    const logger = {
      ...SILENT,
      info: (_: object, text: string) => said.push(text),
      warn: (_: object, text: string) => said.push(text),
    };
    await using log = await KafkaLog.connect([broker.address], { clock, clientId: 'test', logger });
    const seen: string[] = [];
    await using following = follow(log, seen);
    await clock.sleep(500);
    await broker.start();
    await until(() => seen.length > 0);
    expect(seen).toEqual(['a']);
    expect(said.map((text) => (/cannot be reached/.test(text) ? 'down' : 'up'))).toEqual(['down', 'up']);
    await following[Symbol.asyncDispose]();
  });

  it('a log whose end the broker lost in a crash stops its reader, though it has grown past its position', async () => {
    await using log = await connectTo([broker.address]);
    await log.ensureTopic(topic(name, { partitions: 1 }));
    for (let i = 0; i < 10; i++) await log.append(name, 0, [{ value: bytes(`${i}`) }]);
    await using other = await connectTo([`127.0.0.1:${proxy.port}`]);
    const seen: string[] = [];
    const following = follow(other, seen);
    await until(() => seen.length === 10);
    proxy.isOpen = false;
    proxy.cut();
    await broker.kill();
    // As after a power loss without flushing: the last records are gone, and the broker recovers what is left.
    const file = join(broker.folder, 'data', `${name}-0`, '00000000000000000000.log');
    await truncate(file, (await stat(file)).size - 150);
    await broker.restart();
    expect((await eventually(() => log.bounds(name, 0))).end).toBeLessThan(10);
    for (let i = 0; i < 20; i++) await log.append(name, 0, [{ value: bytes('new') }]);
    proxy.isOpen = true;
    await expect(following.ended).rejects.toMatchObject({
      kind: 'corrupt',
      message: expect.stringContaining('lost its end'),
    });
    expect(seen).not.toContain('new');
  });

  it('a closed log refuses everything, and what waited has ended', async () => {
    const log = await connectTo([broker.address]);
    await log.ensureTopic(topic(name));
    const seen: string[] = [];
    const following = follow(log, seen);
    await log[Symbol.asyncDispose]();
    await following[Symbol.asyncDispose]();
    await expect(log.bounds(name, 0)).rejects.toMatchObject({ kind: 'unavailable' });
    await expect(log.append(name, 0, [{ value: bytes('a') }])).rejects.toMatchObject({ kind: 'unavailable' });
  });

  it.each([
    ['none', CompressionTypes.None],
    ['gzip', CompressionTypes.GZIP],
    ['zstd', CompressionTypes.ZSTD],
  ] as const)("reads other producers' records compressed as %s", async (_, compression) => {
    await using log = await connectTo([broker.address]);
    await log.ensureTopic(topic(name, { genesis: () => bytes('g') }));
    CompressionCodecs[CompressionTypes.ZSTD] = () => ({
      compress: async ({ buffer }: { buffer: Buffer }) => zstdCompressSync(buffer),
      decompress: async (buffer: Buffer) => zstdDecompressSync(buffer),
    });
    const kafka = new Kafka({ brokers: [broker.address], logLevel: logLevel.NOTHING });
    const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
    await producer.connect();
    const sent = Array.from({ length: 500 }, (_, i) => `record ${i} `.repeat(i % 7));
    const messages = sent.map((value, i) => ({ key: `key ${i}`, value, partition: 0, headers: { number: `${i}` } }));
    await producer.send({ topic: name, messages, compression });
    await producer.disconnect();
    const records = await readAll(log, name, 0, 1, 1_000);
    expect(texts(records)).toEqual(sent);
    expect(records.map((r) => r.offset)).toEqual(sent.map((_, i) => i + 1));
    expect(records.map((r) => r.headers.number)).toEqual(sent.map((_, i) => `${i}`));
  });

  it('sets right what somebody has set otherwise on a topic of ours, and says so', async () => {
    const brokers = inject('kafka')[0]!;
    const name = `${freshPrefix()}settings`;
    const spec = topic(name, { flushed: true, genesis: () => bytes('g') });
    const said: string[] = [];
    const logger = { ...SILENT, warn: (_: object, message: string) => said.push(message) };
    await using log = await KafkaLog.connect(brokers, { clock, clientId: 'test', logger });
    await log.ensureTopic(spec);
    await log.ensureTopic(spec);
    expect(said).toEqual([]);
    const resource = { type: ConfigResourceTypes.TOPIC, name };
    await asOperator(brokers, async (admin) => {
      const configEntries = [
        { name: 'retention.ms', value: '3600000' },
        { name: 'max.message.bytes', value: '1048588' },
        { name: 'segment.bytes', value: '2000000' },
      ];
      await admin.alterConfigs({ validateOnly: false, resources: [{ ...resource, configEntries }] });
    });
    await log.ensureTopic(spec);
    expect(said.join()).toMatch(/settings.*retention\.ms=3600000 is to be -1/);
    expect(said.join()).toMatch(/flush\.messages=\d+ is to be 1/);
    await asOperator(brokers, async (admin) => {
      const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [resource] });
      const found = Object.fromEntries(resources[0]!.configEntries.map((one) => [one.configName, one.configValue]));
      expect(found).toMatchObject({ 'retention.ms': '-1', 'flush.messages': '1', 'segment.bytes': '2000000' });
      await admin.deleteTopics({ topics: [name] });
    });
  });

  it('makes no topic with fewer replicas than there are brokers for while some are down', async () => {
    const brokers = [...inject('kafka')[0]!, `127.0.0.1:${await freePort()}`];
    const name = `${freshPrefix()}replicas`;
    await using log = await connectTo(brokers);
    const refusal = expect(log.ensureTopic(topic(name))).rejects;
    await refusal.toMatchObject({ kind: 'unavailable', message: expect.stringMatching(/1 of 2 brokers are up/) });
    expect(await log.partitionCount(name)).toBeNull();
  });

  it('kafkajs reads what is appended', async () => {
    await using log = await connectTo([broker.address]);
    await log.ensureTopic(topic(name));
    await log.append(name, 0, [{ value: bytes('a'), headers: { x: '1', y: 'zwölf' } }, { value: bytes('') }]);
    const consumer = new Kafka({ brokers: [broker.address], logLevel: logLevel.NOTHING }).consumer({ groupId: name });
    await consumer.connect();
    await consumer.subscribe({ topic: name, fromBeginning: true });
    const got: unknown[] = [];
    await consumer.run({
      eachMessage: async ({ message: { offset, value, headers } }) => {
        const read = Object.entries(headers ?? {}).map(([key, text]) => [key, String(text)]);
        got.push([offset, String(value), Object.fromEntries(read)]);
      },
    });
    await until(() => got.length === 2);
    await consumer.disconnect();
    expect(got).toEqual([
      ['0', 'a', { x: '1', y: 'zwölf' }],
      ['1', '', {}],
    ]);
  });
});

async function untilTrue(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await clock.sleep(20);
}
