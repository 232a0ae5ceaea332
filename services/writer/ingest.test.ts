import { fingerprint } from '@tidemark/schema/fingerprint';
import { ROW_MUTATION_SCHEMA } from '@tidemark/schema/ingest-schema';
import { rowToJson } from '@tidemark/schema/json-rows';
import { decodeMutate } from '@tidemark/schema/mutate';
import { RowBatch } from '@tidemark/schema/row-batch';
import { topicNames } from '@tidemark/schema/table';
import { SILENT } from '@tidemark/world/logger';
import { SystemClock } from '@tidemark/world/system-clock';
import avro from 'avsc';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Ingest } from './ingest.ts';
import { REJECTED_HEADERS } from './rejected.ts';
import { setUpWriter } from './writer-harness.ts';

const clock = new SystemClock();
const mutation = avro.Type.forSchema(ROW_MUTATION_SCHEMA as unknown as avro.Schema, { wrapUnions: true });

function record(line: number, { confluent = false, table = 'flights' } = {}): Buffer {
  const payload = mutation.toBuffer({
    table,
    op: 'UPSERT',
    key: { origin: { string: `O${line % 5}` }, line: { long: line } },
    cells: { delay: { long: line * 2 } },
    requestId: null,
  });
  const header = confluent
    ? Buffer.from([0, 0, 0, 0, 1])
    : Buffer.concat([Buffer.from([0xc3, 1]), fingerprint(ROW_MUTATION_SCHEMA)]);
  return Buffer.concat([header, payload]);
}

async function setUp() {
  const harness = await setUpWriter('local');
  const { log } = harness;
  const ingest = topicNames.ingest('travel');
  const rejected = topicNames.ingestRejected('travel');
  for (const name of [ingest, rejected]) await log.ensureTopic({ name, partitions: 2, genesis: null, flushed: true });
  const produce = async (partition: number, values: readonly Buffer[]) => {
    for (const value of values) await log.append(ingest, partition, [{ value }]);
  };
  const run = async (): Promise<AsyncDisposable & { readonly counts: Ingest['counts'] }> => {
    const writer = await harness.start();
    const service = new Ingest({
      writer,
      clock,
      logger: SILENT,
      pendingBytesMax: 1e9,
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
  const rejects = async (): Promise<Record<string, string>[]> => {
    const found: Record<string, string>[] = [];
    for (const partition of [0, 1]) {
      const signal = new AbortController().signal;
      for await (const batch of log.read({ topic: rejected, partition, from: 0, signal, untilEnd: true })) {
        for (const { headers } of batch.records) found.push(headers);
      }
    }
    return found;
  };
  return { ...harness, produce, run, lines, rejects };
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
              const value = next % 7 === 3 ? Buffer.from(`bad ${next}`) : record(next);
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
});
