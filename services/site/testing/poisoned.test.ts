/**
 * Whatever others write into a log or into a mirror of it, at any moment: it is ignored, an alarm names its place, and
 * what the origin wrote is applied at both sites all the same, as nothing that stands in between is believed.
 */

import { KeyspaceApplier } from '@tidemark/applier/applier';
import {
  digest,
  eventually,
  LOCAL,
  RULES,
  row,
  sampleLog,
  settled,
  TestSite,
} from '@tidemark/applier/testing/fake-site';
import { PartitionMaker, sampleKeyspace } from '@tidemark/applier/testing/log-maker';
import { SimLog } from '@tidemark/log/sim/sim-log';
import { Mirror } from '@tidemark/mirror/mirror';
import type { Position } from '@tidemark/model/position';
import { SeededRandom } from '@tidemark/platform/random';
import { SimClock } from '@tidemark/platform/sim/sim-clock';
import { SimDisk } from '@tidemark/platform/sim/sim-disk';
import { NO_CHAIN } from '@tidemark/record/envelope';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const BATCHES = 8;
const { values } = sampleLog(BATCHES);
const stranger = new PartitionMaker(sampleKeyspace({ name: 'other' }), 'paris', 0);
const impostor = new PartitionMaker(LOCAL, 'quito', 0);

/** By name; `next` is the seq of the record that the origin will write next, at least 1. */
const POISONS: Readonly<Record<string, (next: number) => Buffer>> = {
  junk: () => Buffer.from('junk'),
  torn: () => Buffer.from(values[4]!.subarray(0, 90)),
  flipped: () => {
    const value = Buffer.from(values[5]!);
    value[30]! ^= 4;
    return value;
  },
  'of another keyspace': () => stranger.start(1),
  'of another origin': () => impostor.start(1),
  // It stands where the next record will, or, in a mirror that is behind, beyond a gap; and follows another one.
  forged: (next) => {
    const other = new PartitionMaker(LOCAL, 'paris', 0);
    other.start(1, { origin: 'quito', epoch: 0, endSeq: 3, chain: NO_CHAIN });
    for (let seq = 1; seq < next; seq++) other.rows([row(1, seq)]);
    return other.rows([row(1, 666)]);
  },
};

const step = fc.record({
  into: fc.constantFrom('log', 'mirror', 'origin'),
  what: fc.constantFrom(...Object.keys(POISONS)),
});

/** The mirror of paris at tokyo, as it copies. */
async function mirrored(paris: TestSite, tokyo: TestSite, clock?: SimClock): Promise<Mirror> {
  const parts = { ...tokyo.parts(clock), keyspace: LOCAL, origin: 'paris', random: new SeededRandom(1) };
  const remotes = new Map([['paris', new SimLog(paris.store)]]);
  const ensureTopics = async (): Promise<void> => {};
  const mirror = new Mirror({ ...parts, remotes, ensureTopics, local: new SimLog(tokyo.store) });
  await mirror.start();
  return mirror;
}

describe('a poisoned record', () => {
  it('in a log or a mirror is ignored with an alarm, and stops nothing', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 16 }), async (steps) => {
        const [paris, tokyo] = [new TestSite('paris'), new TestSite('tokyo')];
        const log = paris.topicOf('paris');
        const copy = tokyo.topicOf('paris');
        for (const [site, topic] of [
          [paris, log],
          [tokyo, copy],
        ] as const) {
          for (const partition of [0, 1]) {
            await site.append(topic, partition, [new PartitionMaker(LOCAL, 'paris', partition).genesis(topic)]);
          }
        }
        await using _copying = await mirrored(paris, tokyo);
        await using there = await paris.start(LOCAL);
        await using here = await tokyo.start(LOCAL);
        const poisoned = { log: 0, mirror: 0 };
        const left = values.slice(1);
        await paris.append(log, 0, left.splice(0, 1));
        for (const { into, what } of steps) {
          if (into === 'origin') await paris.append(log, 0, left.splice(0, 2));
          else if (into === 'log') await paris.append(log, 0, [POISONS[what]!(values.length - 1 - left.length)]);
          else await tokyo.append(copy, 0, [POISONS[what]!(values.length - 1 - left.length)]);
          if (into !== 'origin' && what !== 'forged') poisoned[into]++;
          await settled();
        }
        await paris.append(log, 0, left);
        const isThere = (): boolean => [there, here].every((one) => one.origins.applied('paris', 0).seq === BATCHES);
        await eventually(isThere);
        expect(await digest(here)).toBe(await digest(there));
        expect([...paris.fatal, ...tokyo.fatal]).toEqual([]);
        const alarmsOf = (site: TestSite, topic: string) =>
          new Set(
            (site.alarms as { topic?: string; offset?: number }[]).map((a) => (a.topic === topic ? a.offset : -1)),
          );
        // Ten of a topic partition are said in ten seconds; the others are counted.
        const said = (count: number): number => Math.min(10, count);
        await eventually(() => here.counts.of('paris').ignored >= poisoned.mirror);
        expect(alarmsOf(paris, log).size).toBeGreaterThanOrEqual(said(poisoned.log));
        expect(alarmsOf(tokyo, copy).size).toBeGreaterThanOrEqual(said(poisoned.mirror));
      }),
      { numRuns: 15, endOnFailure: true },
    );
  }, 30_000);

  it('that was damaged where it is stored in a mirror is copied again from the origin, once a reader cannot pass it', async () => {
    const [paris, tokyo] = [new TestSite('paris'), new TestSite('tokyo')];
    const clock = new SimClock();
    const copy = tokyo.topicOf('paris');
    await paris.append(paris.topicOf('paris'), 0, values);
    await tokyo.append(copy, 0, [new PartitionMaker(LOCAL, 'paris', 0).genesis('copy')]);
    await tokyo.append(copy, 1, [new PartitionMaker(LOCAL, 'paris', 1).genesis('copy')]);
    await using mirror = await mirrored(paris, tokyo, clock);
    const copied = mirror.replicators[0]!;
    for (let turn = 0; turn < 100 && copied.durable.seq < BATCHES; turn++) await clock.advance(100);
    expect([copied.durable.seq, mirror.logId]).toEqual([BATCHES, 'copy']);
    const { records } = tokyo.store.topic(copy)!.partitions[0]!;
    const damaged = Buffer.from(records[5]!.value);
    damaged[40]! ^= 1;
    records[5] = { ...records[5]!, value: damaged };
    const onStuck = (_keyspace: string, _origin: string, partition: number, at: Position): void =>
      mirror.unreadableBeyond(partition, at);
    await using applier = await KeyspaceApplier.start({ ...tokyo.parts(clock), onStuck }, LOCAL, RULES);
    for (let turn = 0; turn < 300 && applier.origins.applied('paris', 0).seq < BATCHES; turn++)
      await clock.advance(100);
    expect(applier.origins.applied('paris', 0)).toEqual({ epoch: 1, seq: BATCHES });
    // What it promised before is void: under its next identity it has promised nothing.
    for (let turn = 0; turn < 50 && mirror.logId !== 'copy~1'; turn++) await clock.advance(100);
    expect(mirror.logId).toBe('copy~1');
    // As of an own log while its site leads: it stays as it is, and says what helps; then it is filled in the same way.
    mirror.waitUntilLedByOther(0, { epoch: 1, seq: BATCHES });
    expect(mirror.unreadable.words).toEqual([]);
    mirror.waitUntilLedByOther(0, { epoch: 1, seq: 4 });
    await clock.advance(5_000);
    expect(mirror.unreadable.words[0]).toMatch(
      /\/0: what is stored cannot be read beyond 1:4: .* tidemark switchover --to/,
    );
    expect(mirror.logId).toBe('copy~1');
    expect(mirror.unreadable.mustMove).toMatch(/cannot be read beyond 1:4$/);
    mirror.ledByOther();
    for (let turn = 0; turn < 100 && mirror.logId !== 'copy~2'; turn++) await clock.advance(100);
    expect([mirror.logId, mirror.unreadable.words]).toEqual(['copy~2', []]);
  });

  it('in a mirror that lost something before is copied again, too, however often that comes', async () => {
    const [paris, tokyo] = [new TestSite('paris'), new TestSite('tokyo')];
    const clock = new SimClock();
    const copy = tokyo.topicOf('paris');
    await paris.append(paris.topicOf('paris'), 0, values);
    for (const partition of [0, 1])
      await tokyo.append(copy, partition, [new PartitionMaker(LOCAL, 'paris', partition).genesis('copy')]);
    await using mirror = await mirrored(paris, tokyo, clock);
    const copied = mirror.replicators[0]!;
    for (let turn = 0; turn < 100 && copied.durable.seq < BATCHES; turn++) await clock.advance(100);
    const onStuck = (_keyspace: string, _origin: string, partition: number, at: Position): void =>
      mirror.unreadableBeyond(partition, at);
    for (let times = 1; times <= 3; times++) {
      const hasIdentity = async (): Promise<void> => {
        for (let turn = 0; turn < 100 && mirror.logId === ''; turn++) await clock.advance(100);
      };
      await hasIdentity();
      mirror.doubt('it was put back');
      await hasIdentity();
      const { records } = tokyo.store.topic(copy)!.partitions[0]!;
      for (const [offset, record] of records.entries()) {
        const damaged = Buffer.from(record.value);
        if (!damaged.equals(values[times + 2]!)) continue;
        damaged[40]! ^= 1;
        records[offset] = { ...record, value: damaged };
      }
      await using site = await KeyspaceApplier.start(
        { ...tokyo.parts(clock), disk: new SimDisk(), onStuck },
        LOCAL,
        RULES,
      );
      for (let turn = 0; turn < 600 && site.origins.applied('paris', 0).seq < BATCHES; turn++) await clock.advance(100);
      expect(site.origins.applied('paris', 0)).toEqual({ epoch: 1, seq: BATCHES });
    }
    expect(mirror.logId).not.toBe('copy');
    expect([tokyo.fatal, tokyo.warnings.filter((warning) => warning.includes('log identity'))]).toEqual([[], []]);
  });
});
