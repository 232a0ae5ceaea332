/** A scan as Arrow: the rows of the NDJSON answer, with their types. */

import { readArrow } from '@tidemark/columnar/arrow-read';
import { ARROW_END, ARROW_MEDIA_TYPE } from '@tidemark/columnar/arrow-write';
import { SILENT } from '@tidemark/platform/logger';
import { SystemClock } from '@tidemark/platform/system-clock';
import { describe, expect, it } from 'vitest';
import { LOG, reaches, TestSite } from '../testing/fake-site.ts';
import { PartitionMaker, sampleKeyspace } from '../testing/log-maker.ts';
import { ScanPlace } from './scan-admission.ts';
import { planScan, scanTable } from './scan-http.ts';

const KEYSPACE = sampleKeyspace({ partitions: 1 });
const ROWS = Array.from({ length: 3_000 }, (_, i) => {
  return {
    k: `k${String(i).padStart(5, '0')}`,
    ...(i % 3 === 0 ? {} : { v: i - 7 }),
    ...(i % 5 === 0 ? {} : { w: `é${i}` }),
  };
});

async function answers(body: object): Promise<{ readonly lines: object[]; readonly arrow: Buffer }> {
  const site = new TestSite();
  await site.log.ensureTopic({ name: LOG, partitions: 1, genesis: null, flushed: true });
  const maker = new PartitionMaker(KEYSPACE, 'paris', 0);
  for (const value of [maker.genesis(), maker.start(1), maker.rows(ROWS)]) await site.log.append(LOG, 0, [{ value }]);
  await using applier = await site.start(KEYSPACE);
  await reaches(applier, '1:1', 0);
  const parts = {
    clock: new SystemClock(),
    logger: SILENT,
    asOf: null,
    place: new ScanPlace(0, new AbortController().signal, () => {}),
    noteDamage: () => false,
    beganMs: 0,
  };
  const store = applier.stores.tableStore(1)!;
  const plain = await scanTable(planScan(store, body), parts);
  expect(plain.type).toBe('application/x-ndjson');
  const text = Buffer.concat(await plain.stream.map((chunk) => Buffer.from(chunk)).toArray()).toString('utf8');
  const other = await scanTable(planScan(store, body), { ...parts, accept: `text/plain;q=0.1, ${ARROW_MEDIA_TYPE}` });
  expect(other.type).toBe(ARROW_MEDIA_TYPE);
  const lines = text.trimEnd().split('\n');
  expect(lines.pop()).toContain('$end');
  return { lines: lines.map((line) => JSON.parse(line) as object), arrow: Buffer.concat(await other.stream.toArray()) };
}

/** Longs as NDJSON has them. */
async function rowsOf(arrow: Buffer): Promise<Record<string, unknown>[]> {
  async function* chunks(): AsyncGenerator<Uint8Array> {
    yield arrow;
  }
  const rows: Record<string, unknown>[] = [];
  for await (const { rowCount, columns } of readArrow(chunks(), 'a test')) {
    for (let row = 0; row < rowCount; row++) {
      rows.push(
        Object.fromEntries(
          [...columns].map(([name, column]) => {
            const cell = column.values[row];
            return [name, typeof cell === 'bigint' ? Number(cell) : cell];
          }),
        ),
      );
    }
  }
  return rows;
}

describe('a scan as Arrow', () => {
  it.each([
    ['rows in many batches', {}],
    ['a filter that selects nothing', { where: [['v', '>', 10_000]] }],
    ['aggregates', { select: ['w', { sum: 'v' }, { count: '*', as: 'n' }], groupBy: ['w'], orderBy: [['w', 'asc']] }],
  ])('has the rows of the NDJSON answer: %s', async (_, body) => {
    const { lines, arrow } = await answers(body);
    expect(await rowsOf(arrow)).toEqual(lines);
    expect(arrow.subarray(-ARROW_END.length)).toEqual(Buffer.from(ARROW_END));
  });
});
