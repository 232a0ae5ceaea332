/** Rows that are produced to a site's ingest topic while the site is down, as other programs do. */

import { setTimeout as sleep } from 'node:timers/promises';
import { TABLE } from '@tidemark/cli/drill/stage';
import type { DevSite } from '@tidemark/dev/sites';
import { ROW_MUTATION_SCHEMA } from '@tidemark/ingest/ingest-schema';
import { KafkaLog } from '@tidemark/log/kafka/kafka-log';
import { topicNames } from '@tidemark/model/table';
import { SystemClock } from '@tidemark/platform/system-clock';
import { fingerprint } from '@tidemark/record/fingerprint';
import avro from 'avsc';
import { DATE, delayOf } from './rows.ts';

const mutation = avro.Type.forSchema(ROW_MUTATION_SCHEMA as unknown as avro.Schema, { wrapUnions: true });
const PREFIX = Buffer.concat([Buffer.from([0xc3, 1]), fingerprint(ROW_MUTATION_SCHEMA)]);
const RECORDS_PER_BATCH = 5;
const QUIET_LOOKS = 5;
const LOOK_MS = 1_000;

const ORIGIN = 'OFFERED';

function record(line: number): Buffer {
  const date = { long: Date.parse(DATE) * 1_000 };
  const key = { origin: { string: ORIGIN }, date, destination: { string: 'X' }, line: { long: line } };
  const cells = { delay: { long: delayOf(line) }, distance: { long: line } };
  return Buffer.concat([PREFIX, mutation.toBuffer({ table: 'flights', op: 'UPSERT', key, cells, requestId: null })]);
}

/** @returns how many the broker has taken */
export async function offer(site: DevSite, keyspace: string, from: number, count: number): Promise<number> {
  const topic = topicNames.ingest(keyspace);
  await using log = await KafkaLog.connect([site.kafka!.address], { clock: new SystemClock(), clientId: 'producer' });
  const partitions = (await log.partitionCount(topic))!;
  for (let i = 0; i < count; i += RECORDS_PER_BATCH) {
    const entries = Array.from({ length: RECORDS_PER_BATCH }, (_, n) => ({ value: record(from + i + n) }));
    await log.append(topic, (i / RECORDS_PER_BATCH) % partitions, entries);
  }
  return count;
}

export type Taken = { readonly right: number; readonly absent: number; readonly wrong: readonly string[] };

/** What a site has of the rows, once no more of them come. */
export async function untilTaken(site: DevSite, keyspace: string, numbers: readonly number[]): Promise<Taken> {
  let taken = await takenAt(site, keyspace, numbers);
  for (let quiet = 0; quiet < QUIET_LOOKS && taken.absent > 0; quiet++) {
    await sleep(LOOK_MS);
    const now = await takenAt(site, keyspace, numbers);
    if (now.right > taken.right) quiet = 0;
    taken = now;
  }
  return taken;
}

async function takenAt(site: DevSite, keyspace: string, numbers: readonly number[]): Promise<Taken> {
  const wrong: string[] = [];
  let right = 0;
  for (const line of numbers) {
    const url = `${site.url}/v1/${keyspace}/${TABLE}/rows/${ORIGIN}/${encodeURIComponent(DATE)}/X/${line}`;
    const answer = await fetch(url);
    const text = await answer.text();
    if (answer.status === 404) continue;
    const delay = answer.ok ? (JSON.parse(text) as { delay?: unknown }).delay : `status ${answer.status}`;
    if (delay === delayOf(line)) right++;
    else wrong.push(`offered row ${line}: ${delay}, expected ${delayOf(line)}`);
  }
  return { right, absent: numbers.length - right - wrong.length, wrong };
}
