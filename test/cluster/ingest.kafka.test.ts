/**
 * The ingest topic on real Kafka, fed by a producer that is not ours (Apache's Avro and Kafka client, in Java), while
 * the site that takes it in is killed with −9: each good record is a row, once; each bad one is set aside, once.
 */

import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { PROGRAM } from '@tidemark/cli/program';
import { javaProgram, producerJars } from '@tidemark/dev/kafka/kafka-jars';
import { Reaper } from '@tidemark/dev/reaper';
import { type DevSite, startSites } from '@tidemark/dev/sites';
import { ROW_MUTATION_SCHEMA } from '@tidemark/ingest/ingest-schema';
import { KafkaLog } from '@tidemark/log/kafka/kafka-log';
import type { Headers } from '@tidemark/log/log';
import { topicNames } from '@tidemark/model/table';
import { SystemClock } from '@tidemark/platform/system-clock';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const RECORDS = 10_000;
const BROKEN = RECORDS / 100;
const PRODUCER = fileURLToPath(new URL('Produce.java', import.meta.url));
const KEYSPACE = fileURLToPath(new URL('../../examples/travel.json', import.meta.url));

describe('ingest on Kafka', () => {
  let reaper: Reaper;
  let sites: DevSite[] = [];
  let folder: string;
  beforeAll(async () => {
    reaper = Reaper.start();
    folder = await reaper.scratchFolder('ingest');
    sites = await startSites({ program: PROGRAM, engine: 'kafka', count: 3, folder, reaper, firstPort: null });
  }, 120_000);
  afterAll(async () => {
    await reaper[Symbol.asyncDispose]();
  });

  const scan = async (site: DevSite, body: object): Promise<Record<string, unknown>[]> => {
    const reply = await fetch(`${site.url}/v1/travel/flights/scan`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return (await reply.text())
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .slice(0, -1);
  };

  const produce = async (): Promise<void> => {
    const schema = join(folder, 'row-mutation.avsc');
    await writeFile(schema, JSON.stringify(ROW_MUTATION_SCHEMA));
    const topic = topicNames.ingest('travel');
    const args = ['-cp', await producerJars(), PRODUCER, sites[0]!.kafka!.address, topic, schema, String(RECORDS)];
    await promisify(execFile)(javaProgram(), args, { timeout: 100_000 });
  };

  const rejected = async (): Promise<Headers[]> => {
    const clock = new SystemClock();
    await using log = await KafkaLog.connect([sites[0]!.kafka!.address], { clock, clientId: 'test' });
    const topic = topicNames.ingestRejected('travel');
    const found: Headers[] = [];
    for (let partition = 0; partition < (await log.partitionCount(topic))!; partition++) {
      const signal = new AbortController().signal;
      for await (const batch of log.read({ topic, partition, from: 0, signal, untilEnd: true })) {
        found.push(...batch.records.map((record) => record.headers));
      }
    }
    return found;
  };

  it('10,000 records of another program: the rows are right at every site, the bad ones set aside with their reasons', async () => {
    const keyspace = await import(KEYSPACE, { with: { type: 'json' } });
    const headers = { 'content-type': 'application/json' };
    const defined = await fetch(`${sites[0]!.url}/v1/keyspaces/travel`, {
      // What is produced at a site waits there for as long as another one is the primary: here none other shall be.
      ...{ method: 'PUT', headers, body: JSON.stringify({ ...keyspace.default, failover: 'manual' }) },
    });
    expect(await defined.text()).toContain('travel');
    const producing = produce();
    for (let kill = 0; kill < 3; kill++) {
      await sleep(1_500);
      await sites[0]!.kill();
      await sites[0]!.start();
    }
    await producing;
    for (const site of sites) {
      const count = async (): Promise<unknown> => (await scan(site, { select: [{ count: '*', as: 'n' }] }))[0]?.n;
      for (let tries = 0; tries < 600 && (await count()) !== RECORDS - BROKEN; tries++) await sleep(100);
      const rows = await scan(site, { select: ['origin', 'line', 'delay', 'distance'] });
      expect(rows).toHaveLength(RECORDS - BROKEN);
      for (const { origin, line, delay, distance } of rows) {
        const i = line as number;
        expect([origin, delay, distance]).toEqual([`J${i % 50}`, (i % 300) - 20, i]);
      }
    }
    const reasons = (await rejected()).map((record) => String(record['tidemark-reason']));
    expect(reasons).toHaveLength(BROKEN);
    expect(reasons.filter((reason) => reason.includes('trains'))).toHaveLength(BROKEN / 4);
    for (const reason of reasons) expect(reason).toMatch(/^ingest record of \d+ bytes/);
  }, 240_000);
});
