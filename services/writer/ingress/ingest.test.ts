import { rowToJson } from '@tidemark/columnar/json-rows';
import { RowBatch } from '@tidemark/columnar/row-batch';
import { ROW_MUTATION_SCHEMA } from '@tidemark/ingest/ingest-schema';
import { type Headers, type LogEntry, type LogRecord, RECORD_BYTES_MAX } from '@tidemark/log/log';
import { topicNames } from '@tidemark/model/table';
import { SILENT } from '@tidemark/platform/logger';
import { SharedMemory } from '@tidemark/platform/shared-memory';
import { SystemClock } from '@tidemark/platform/system-clock';
import { fingerprint } from '@tidemark/record/fingerprint';
import { decodeMutate } from '@tidemark/record/mutate';
import avro from 'avsc';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { setUpWriter } from '../testing/writer-harness.ts';
import { Ingest } from './ingest.ts';
import { REJECTED_HEADERS } from './rejected.ts';

const clock = new SystemClock();
const mutation = avro.Type.forSchema(ROW_MUTATION_SCHEMA as unknown as avro.Schema, { wrapUnions: true });

type Shape = { confluent?: boolean; table?: string; requestId?: string; delay?: number };

function record(line: number, { confluent = false, table = 'flights', requestId, delay }: Shape = {}): Buffer {
  const payload = mutation.toBuffer({
    table,
    op: 'UPSERT',
    key: { origin: { string: `O${line % 5}` }, line: { long: line } },
    cells: { delay: { long: delay ?? line * 2 } },
    requestId: requestId === undefined ? null : { string: requestId },
  });
  const header = confluent
    ? Buffer.from([0, 0, 0, 0, 1])
    : Buffer.concat([Buffer.from([0xc3, 1]), fingerprint(ROW_MUTATION_SCHEMA)]);
  return Buffer.concat([header, payload]);
}

async function setUp({ partitions = 2, rejectedPartitions = 2 } = {}) {
  const harness = await setUpWriter('local');
  const { log } = harness;
  const ingest = topicNames.ingest('travel');
  const rejected = topicNames.ingestRejected('travel');
  const makeIngest = (count = partitions): Promise<void> =>
    log.ensureTopic({ name: ingest, partitions: count, genesis: null, flushed: true });
  await makeIngest();
  await log.ensureTopic({ name: rejected, partitions: rejectedPartitions, genesis: null, flushed: true });
  const produce = async (partition: number, values: readonly Buffer[], more: Partial<LogEntry> = {}) => {
    for (const value of values) await log.append(ingest, partition, [{ value, ...more }]);
  };
  const run = async (): Promise<AsyncDisposable & { readonly counts: Ingest['counts'] }> => {
    const writer = await harness.start();
    const service = new Ingest({
      writer,
      clock,
      logger: SILENT,
      pending: new SharedMemory(1e9),
      onFatal: (e) => harness.ended.push(e),
    });
    service.start();
    return {
      counts: service.counts,
      [Symbol.asyncDispose]: async () => {
        await service[Symbol.asyncDispose]();
        await writer[Symbol.asyncDispose]();
      },
    };
  };
  /** Every row in the log, in order, as often as it stands there. */
  const lines = async (): Promise<number[]> => {
    const into = new RowBatch();
    const table = harness.keyspace.tables[0]!;
    return (await harness.accepted()).flat().flatMap(({ body }) => {
      if (body.kind !== 'Mutate') return [];
      decodeMutate(body, table, into);
      return Array.from({ length: into.rowCount }, (_, row) => Number(rowToJson(table, into, row).line));
    });
  };
  const rejectedRecords = async (): Promise<LogRecord[]> => {
    const found: LogRecord[] = [];
    for (let partition = 0; partition < ((await log.partitionCount(rejected)) ?? 0); partition++) {
      const signal = new AbortController().signal;
      for await (const batch of log.read({ topic: rejected, partition, from: 0, signal, untilEnd: true }))
        found.push(...batch.records);
    }
    return found;
  };
  const rejects = async (): Promise<Headers[]> => (await rejectedRecords()).map(({ headers }) => headers);
  return { ...harness, produce, run, lines, rejects, rejectedRecords, makeIngest, ingest, rejected };
}

const sorted = (list: readonly number[]): number[] => [...list].sort((a, b) => a - b);
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

async function until(what: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 400 && !(await what()); i++) await clock.sleep(10);
  expect(await what()).toBe(true);
}

describe('ingest', () => {
  it('writes plain records of either framing once, and sets aside what it cannot read with the reason', async () => {
    const { produce, run, lines, rejects } = await setUp();
    await produce(0, [record(0), record(1, { confluent: true }), Buffer.from('nonsense'), record(2)]);
    await produce(1, [record(3, { table: 'trains' }), record(4).subarray(0, 20), record(5)]);
    await using _ = await run();
    await until(async () => (await lines()).length === 4);
    expect(sorted(await lines())).toEqual([0, 1, 2, 5]);
    const reasons = (await rejects()).map((headers) => headers[REJECTED_HEADERS.reason]);
    expect(reasons).toHaveLength(3);
    expect(reasons[0]).toContain('begins 6e6f');
    expect(reasons.join()).toContain('trains');
  });

  it('each source record is written once and set aside once, wherever the process dies', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ restMs: fc.nat(12), more: fc.nat(30) }), { maxLength: 6 }),
        async (lives) => {
          const { produce, run, lines, rejects, ended } = await setUp();
          let next = 0;
          let bad = 0;
          for (const { restMs, more } of [...lives, { restMs: 60, more: 3 }]) {
            for (let i = 0; i < more; i++) {
              const request = next % 5 === 1 ? { requestId: `r${next}` } : {};
              const value = next % 7 === 3 ? Buffer.from(`bad ${next}`) : record(next, request);
              if (next % 7 === 3) bad++;
              await produce(next++ % 2, [value]);
            }
            const running = await run();
            await clock.sleep(restMs);
            await running[Symbol.asyncDispose]();
          }
          await using _ = await run();
          const expected = range(0, next).filter((line) => line % 7 !== 3);
          await until(async () => (await lines()).length >= expected.length && (await rejects()).length >= bad);
          expect(sorted(await lines())).toEqual(expected);
          expect(await rejects()).toHaveLength(bad);
          expect(ended).toEqual([]);
        },
      ),
      { numRuns: 10 },
    );
  });

  it('a topic made again is another one: its records are read from its first one on, each once, and so are rejects', async () => {
    const { produce, run, lines, rejects, store, ingest, makeIngest } = await setUp();
    await produce(0, [...range(0, 10).map((line) => record(line)), Buffer.from('bad')]);
    {
      await using _ = await run();
      await until(async () => (await lines()).length === 10 && (await rejects()).length === 1);
    }
    // While nobody reads: fewer records than the old one had, and then more.
    store.deleteTopic(ingest);
    await makeIngest();
    await produce(0, [Buffer.from('bad'), ...range(100, 105).map((line) => record(line))]);
    {
      await using _ = await run();
      await until(async () => (await lines()).length === 15);
      await produce(
        0,
        range(105, 120).map((line) => record(line)),
      );
      await until(async () => (await lines()).length === 30);
      // And under the reader, with more partitions.
      store.deleteTopic(ingest);
      await makeIngest(3);
      await produce(0, [record(200), Buffer.from('bad')]);
      await produce(2, [record(201)]);
      await until(async () => (await lines()).length === 32);
    }
    await using _ = await run();
    await until(async () => (await rejects()).length === 3);
    expect(sorted(await lines())).toEqual([...range(0, 10), ...range(100, 120), 200, 201]);
  });

  it('a topic that lost its end goes on with the records that took the place of the lost ones', async () => {
    const { produce, run, lines, store, ingest } = await setUp();
    const send = (from: number, to: number): Promise<void> =>
      produce(
        0,
        range(from, to).map((line) => record(line)),
      );
    await send(0, 10);
    {
      await using _ = await run();
      await until(async () => (await lines()).length === 10);
    }
    store.loseEnd(ingest, 0, 4);
    await send(100, 103);
    {
      await using _ = await run();
      await until(async () => (await lines()).length === 10);
      await send(103, 110);
      await until(async () => (await lines()).length === 17);
    }
    await using _ = await run();
    await send(110, 111);
    await until(async () => (await lines()).length === 18);
    // What came between the loss and the reader's look cannot be told from what was lost.
    expect(sorted(await lines())).toEqual([...range(0, 10), ...range(103, 111)]);
  });

  it('whatever number of partitions the topics have, every one is read, and those that are added', async () => {
    const { produce, run, lines, rejects, store, ingest } = await setUp({ partitions: 6, rejectedPartitions: 1 });
    for (const partition of range(0, 6)) await produce(partition, [record(partition), Buffer.from('bad')]);
    await using _ = await run();
    await until(async () => (await lines()).length === 6 && (await rejects()).length === 6);
    store.addPartitions(ingest, 8);
    await produce(7, [record(7), Buffer.from('bad')]);
    await until(async () => (await lines()).length === 7 && (await rejects()).length === 7);
    expect(sorted(await lines())).toEqual([...range(0, 6), 7]);
  });

  it('records trimmed unread are counted, and what is left is read', async () => {
    const { produce, run, lines, log, ingest } = await setUp();
    await produce(
      0,
      range(0, 10).map((line) => record(line)),
    );
    {
      await using _ = await run();
      await until(async () => (await lines()).length === 10);
    }
    await produce(
      0,
      range(10, 20).map((line) => record(line)),
    );
    await log.trim(ingest, 0, 15);
    await using running = await run();
    await until(async () => (await lines()).length === 15);
    expect(running.counts.told).toMatchObject({ missed: 5, rejected: 0 });
    expect(sorted(await lines())).toEqual([...range(0, 10), ...range(15, 20)]);
  });

  it('a damaged batch of the log is set aside with its reason; what stands behind it is read', async () => {
    const { produce, run, lines, rejects, store, ingest } = await setUp();
    await produce(0, [record(0), record(1), record(2)]);
    store.damage(ingest, 0, 1);
    await using running = await run();
    await until(async () => (await lines()).length === 2);
    expect(sorted(await lines())).toEqual([0, 2]);
    expect((await rejects())[0]).toMatchObject({
      [REJECTED_HEADERS.reason]: 'offset 1: checksum wrong',
      [REJECTED_HEADERS.offset]: '1',
    });
    expect(running.counts.told).toEqual({ read: 3, rows: 2, rejected: 1, missed: 0, lagRecords: 0 });
  });

  it('a record too large to be set aside is cut, keeps its key and headers, and holds nobody up', async () => {
    const { produce, run, lines, rejectedRecords, store, ingest, log, rejected } = await setUp();
    const own = { trace: 'abc', raw: Buffer.from([0xff, 0xfe]) };
    await produce(0, [record(0)]);
    // Producers of a topic with larger limits than ours.
    const huge = { offset: 1, timeMs: 0, value: Buffer.alloc(RECORD_BYTES_MAX + 5, 'x') };
    store.topic(ingest)!.partitions[0]!.records.push({ ...huge, key: Buffer.from('k'), headers: own, damage: null });
    await produce(0, [Buffer.from('bad'), record(3)], { headers: { ...own, large: 'y'.repeat(500_000) } });
    // An append that does not come through the first time counts once.
    let tries = 0;
    store.fate = (topic) =>
      topic === rejected && tries++ === 0 ? { answer: 'unknown', lands: 'never' } : { answer: 'stored' };
    await using running = await run();
    await until(async () => (await lines()).length === 2 && (await rejectedRecords()).length === 2);
    const [first, second] = await rejectedRecords();
    expect(first!.value.length).toBe(RECORD_BYTES_MAX);
    expect(String(first!.key)).toBe('k');
    expect(first!.headers).toMatchObject({ ...own, [REJECTED_HEADERS.bytes]: String(RECORD_BYTES_MAX + 5) });
    expect(first!.headers[REJECTED_HEADERS.reason]).toMatch(/^ingest record of 4194309 bytes begins 7878/);
    expect(second!.headers).toMatchObject({ ...own, [REJECTED_HEADERS.leftOut]: 'large' });
    expect(running.counts.told).toMatchObject({ rejected: 2, rows: 2, read: 4 });
    expect(await log.partitionCount(rejected)).toBe(2);
  });

  it('a request id is done once, across partitions and writers; for another row it is set aside, naming both', async () => {
    const { produce, run, lines, rejects } = await setUp();
    const once = record(1, { requestId: 'a' });
    await produce(0, [record(0), once, record(2), once, record(3), record(4, { requestId: 'b' })]);
    await produce(1, [once, record(5, { requestId: 'x'.repeat(129) })]);
    {
      await using _ = await run();
      await until(async () => (await lines()).length >= 5 && (await rejects()).length === 1);
    }
    await using _ = await run();
    await produce(1, [once, record(1, { requestId: 'a', delay: 9 }), record(6)]);
    await until(async () => (await rejects()).length === 2 && (await lines()).includes(6));
    expect(sorted(await lines())).toEqual([0, 1, 2, 3, 4, 6]);
    const reasons = (await rejects()).map((headers) => String(headers[REJECTED_HEADERS.reason])).sort();
    expect(reasons[0]).toMatch(/"ingest:a" was used for POST travel\.flights, 1 row .* comes again for POST/);
    expect(reasons[1]).toBe('requestId of 129 characters, at most 128');
  });

  it('a rejected topic that somebody deleted is made again', async () => {
    const { produce, run, rejects, store, rejected } = await setUp();
    await using _ = await run();
    await produce(0, [Buffer.from('bad')]);
    await until(async () => (await rejects()).length === 1);
    store.deleteTopic(rejected);
    await produce(0, [Buffer.from('worse')]);
    await until(async () => (await rejects()).length === 1);
  });
});
