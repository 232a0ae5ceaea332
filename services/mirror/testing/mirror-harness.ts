/** A mirror of one partition on simulated logs, for tests. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Log } from '@tidemark/log/log';
import { SimLog, SimLogStore } from '@tidemark/log/sim/sim-log';
import { type Keyspace, topicNames } from '@tidemark/model/table';
import type { Clock } from '@tidemark/platform/clock';
import { SILENT } from '@tidemark/platform/logger';
import { NodeDisk } from '@tidemark/platform/node-disk';
import { SeededRandom } from '@tidemark/platform/random';
import { SystemClock } from '@tidemark/platform/system-clock';
import { type Body, NO_CHAIN, NOTHING_BEFORE, type Unsealed } from '@tidemark/record/envelope';
import { epochSeed, sealRecord } from '@tidemark/record/seal';
import { expect, onTestFinished } from 'vitest';
import { Mirror } from '../mirror.ts';

const KEYSPACE: Keyspace = {
  name: 'travel',
  version: 1,
  mode: 'single',
  primary: 'paris',
  ack: { name: 'sync', k: 1 },
  failover: 'manual',
  degradeTo: 1,
  sites: [
    { name: 'paris', number: 0, role: 'data' },
    { name: 'tokyo', number: 1, role: 'data' },
    { name: 'quito', number: 2, role: 'data' },
  ],
  partitions: 1,
  tables: [],
};
export const LOG = topicNames.log('travel', 'paris');
export const MIRROR = topicNames.mirror('travel', 'paris');
export const PATH = 'checkpoints/mirror/travel-paris.json';
export const clock = new SystemClock();
/** Ten times as fast: what is waited for is over soon. */
const quick: Clock = {
  nowMs: () => clock.nowMs(),
  monotonicMs: () => clock.monotonicMs() * 10,
  sleep: (ms, signal) => clock.sleep(ms / 10, signal),
};

const unsealed = (epoch: number, seq: number, body: Body): Unsealed => ({
  ...{ cluster: 'c', keyspace: 'travel', origin: 'paris', partition: 0 },
  ...{ epoch, seq, stampMs: 1, stampCounter: seq, writer: 1, committed: -1, body },
});
export const genesis = (logId: string): Buffer =>
  sealRecord(unsealed(0, -1, { kind: 'Genesis', logId }), NO_CHAIN).bytes;

/** EPOCH_START and NOOPs. */
export function sequence(count: number, writerId = 'w'): Buffer[] {
  const body = { kind: 'EpochStart', writerId, ...NOTHING_BEFORE } as const;
  const start = { ...unsealed(1, 0, body), body };
  const records = [sealRecord(start, epochSeed(start))];
  for (let seq = 1; seq < count; seq++)
    records.push(sealRecord(unsealed(1, seq, { kind: 'Noop' }), records[seq - 1]!.chain));
  return records.map(({ bytes }) => bytes);
}

/** A log of paris, tokyo's mirror of it, and quito's. Nothing that a test does to a mirror may end the process that has it. */
export async function setUpMirror(isQuick = false) {
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-mirror-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const origin = new SimLogStore(clock);
  const here = new SimLogStore(clock);
  const source = new SimLog(origin, 'paris');
  const local = new SimLog(here, 'tokyo');
  await source.ensureTopic({ name: LOG, partitions: 1, flushed: true, genesis: () => genesis('a') });
  // Another site that mirrors paris, and is ahead.
  const third = new SimLogStore(clock);
  const ahead = new SimLog(third, 'quito');
  await ahead.ensureTopic({ name: MIRROR, partitions: 1, flushed: true, genesis: () => genesis('c') });
  await local.ensureTopic({ name: MIRROR, partitions: 1, flushed: true, genesis: () => genesis('b') });
  let made = 0;
  const errors: string[] = [];
  const logger = { ...SILENT, error: (_: object, message: string) => void errors.push(message) };
  const fatal: unknown[] = [];
  onTestFinished(() => expect(fatal).toEqual([]));
  /** @param through what the mirror's logs are seen through */
  const start = async (through: (log: Log) => Log = (log) => log): Promise<Mirror> => {
    const handle = through(new SimLog(here, 'tokyo'));
    const ensureTopics = (): Promise<void> => {
      const genesisOf = (): Buffer => genesis(`made-${++made}`);
      return handle.ensureTopic({ name: MIRROR, partitions: 1, flushed: true, genesis: genesisOf });
    };
    const mirror = new Mirror({
      ...{ cluster: 'c', site: 'tokyo', origin: 'paris', keyspace: KEYSPACE },
      ...{ local: handle, disk: new NodeDisk(folder), ensureTopics },
      remotes: new Map([
        ['paris', through(new SimLog(origin, 'paris'))],
        ['quito', through(new SimLog(third, 'quito'))],
      ]),
      ...{ clock: isQuick ? quick : clock, random: new SeededRandom(1), logger },
      onFatal: (error) => {
        fatal.push(error);
      },
    });
    await mirror.start();
    return mirror;
  };
  /** The values in the mirror, its GENESIS left out. */
  const copied = async (from = 1): Promise<Buffer[]> => {
    const values: Buffer[] = [];
    for await (const batch of local.read({
      ...{ topic: MIRROR, partition: 0, from, untilEnd: true },
      signal: new AbortController().signal,
    })) {
      for (const { value } of batch.records) values.push(Buffer.from(value));
    }
    return values;
  };
  const append = (values: readonly Uint8Array[]) =>
    source.append(
      LOG,
      0,
      values.map((value) => ({ value })),
    );
  const remake = () => source.ensureTopic({ name: LOG, partitions: 1, flushed: true, genesis: () => genesis('a') });
  return { origin, here, append, ahead, start, copied, folder, errors, remake };
}

/** Waits until it holds, 5 s at most. */
export async function until(what: () => boolean, looks = 1_000): Promise<void> {
  for (let i = 0; i < looks && !what(); i++) await clock.sleep(5);
  expect(what()).toBe(true);
}
