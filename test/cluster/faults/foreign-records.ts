/**
 * Row 28: somebody else writes into the primary's log and into a mirror of it while both are written to. What is not of
 * the origin's own history is ignored, and every site that reads it says where it stands.
 */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { settle } from '@tidemark/cli/drill/account';
import type { DevSite } from '@tidemark/dev/sites';
import { KafkaLog } from '@tidemark/log/kafka/kafka-log';
import { topicNames } from '@tidemark/model/table';
import { integerBetween, type Random } from '@tidemark/platform/random';
import { SystemClock } from '@tidemark/platform/system-clock';
import { calm, type FaultRow, loadOf, oneOf, promise, promiseBalance, TAKEOVER_MS_MAX } from './stage/fault-row.ts';

const ALARM_MS_MAX = 1_000;
/** Longer than that, to tell late from never. */
const LOOK_MS_MAX = 10_000;
const LOOK_MS = 10;
const PARTITIONS = 4;
const RECORD_WAIT_MS = 20_000;
/** Ten alarms a topic partition are said in ten seconds; the others are counted. */
const BETWEEN_MS = 300;

const POISONS = ['junk', 'torn', 'flipped', 'of another origin'] as const;

/** The newest record of a partition that is of the origin. */
async function newestRecord(log: KafkaLog, topic: string, partition: number): Promise<Uint8Array> {
  for (const untilMs = performance.now() + RECORD_WAIT_MS; performance.now() < untilMs; await sleep(LOOK_MS)) {
    const { start, end } = await log.bounds(topic, partition);
    const from = Math.max(start, end - 8);
    const signal = new AbortController().signal;
    let newest: Uint8Array | null = null;
    for await (const { records } of log.read({ topic, partition, from, signal, untilEnd: true })) {
      newest = records.findLast(({ value }) => value.length > 120)?.value ?? newest;
    }
    if (newest !== null) return newest;
  }
  throw new Error(`${topic}/${partition} has no record of more than 120 bytes`);
}

function poisoned(random: Random, record: Uint8Array, origin: string, poison: (typeof POISONS)[number]): Buffer {
  const copy = Buffer.from(record);
  if (poison === 'junk') return Buffer.from('junk');
  if (poison === 'torn') return copy.subarray(0, copy.length - integerBetween(random, 1, 100));
  const at = poison === 'flipped' ? integerBetween(random, 12, copy.length - 1) : copy.indexOf(origin);
  copy[at] = copy[at]! ^ 0x10;
  return copy;
}

/** Waits until a site says that the record at that place is ignored. @returns how long after `sinceMs`; null: never */
async function alarmedAfterMs(site: DevSite, place: string, offset: number, sinceMs: number): Promise<number | null> {
  const words = `${place}: record at offset ${offset},`;
  while (performance.now() - sinceMs < LOOK_MS_MAX) {
    const text = await readFile(join(site.folder, 'site.log'), 'utf8');
    if (text.includes(words)) return Math.round(performance.now() - sinceMs);
    await sleep(LOOK_MS);
  }
  return null;
}

export const foreignRecords: FaultRow = {
  row: 28,
  fault: 'poisoned and foreign records in the log and in a mirror of it',
  promise: 'ignored, told within 1 s with their place, nothing stalls, every acked row at every site',
  sizeIs: 'records',
  small: 8,
  large: 200,
  mutants: ['stop-at-a-foreign-record'],
  run: async (trial) => {
    const { stage, folder, size, random, say } = trial;
    await using load = loadOf(trial);
    await calm(load, 2);
    const { site: origin } = await stage.primary(TAKEOVER_MS_MAX);
    const faultAtMs = Date.now();
    const alarmsMs: number[] = [];
    for (let n = 0; n < size; n++) {
      const isMirror = n % 2 === 1;
      const site = isMirror ? oneOf(random, stage.others(origin)) : stage.site(origin);
      const topic = isMirror ? topicNames.mirror(stage.keyspace, origin) : topicNames.log(stage.keyspace, origin);
      const partition = integerBetween(random, 0, PARTITIONS - 1);
      await using log = await KafkaLog.connect([site.kafka!.address], {
        ...{ clock: new SystemClock(), clientId: 'stranger' },
      });
      const poison = POISONS[n % POISONS.length]!;
      const record = poisoned(random, await newestRecord(log, topic, partition), origin, poison);
      const offset = await log.append(topic, partition, [{ value: record }]);
      const tookMs = await alarmedAfterMs(site, `${topic}/${partition}`, offset, performance.now());
      say(`${poison} at ${topic}/${partition}, offset ${offset}: told by ${site.name} after ${tookMs} ms`);
      promise(tookMs !== null, `${site.name} said nothing of ${topic}/${partition} at ${offset} (${poison})`);
      alarmsMs.push(tookMs!);
      await sleep(BETWEEN_MS);
    }
    await calm(load, 1);
    const account = await settle(stage, folder, load, { faultAtMs, untilMs: Date.now() });
    promiseBalance(account, account.examples);
    const alarmMsMax = Math.max(...alarmsMs);
    promise(alarmMsMax <= ALARM_MS_MAX, `a record was told of after ${alarmMsMax} ms only`);
    return { records: size, alarmMsMax, pauseMsMax: Math.round(account.outage.pauseMs) };
  },
};
