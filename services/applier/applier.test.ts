import { formatPosition } from '@tidemark/schema/position';
import { topicNames } from '@tidemark/schema/table';
import { isFault } from '@tidemark/world/fault';
import { SILENT } from '@tidemark/world/logger';
import { SimClock } from '@tidemark/world/sim-clock';
import { SimDisk, SimPlatter } from '@tidemark/world/sim-disk';
import { SystemClock } from '@tidemark/world/system-clock';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyspaceApplier } from './applier.ts';
import { PartitionMaker, sampleKeyspace } from './log-maker.ts';
import {
  digest,
  eventually,
  LOCAL,
  LOG,
  RULES,
  reaches,
  row,
  SYNC,
  sampleLog,
  settled,
  TestSite,
} from './test-site.ts';

describe('applier', () => {
  it('applies a log and shows its rows', async () => {
    const site = new TestSite();
    const { values } = sampleLog(3);
    await site.append(LOG, 0, values);
    await using applier = await site.start(LOCAL);
    await reaches(applier, '1:3');
    expect((await applier.stores.tableStore(1)!.partitions[0]!.digest()).rows).toBe(4);
  });

  it('applies the same whatever is repeated, early, foreign or broken in between', async () => {
    const { maker, values } = sampleLog(8);
    const foreign = new PartitionMaker(sampleKeyspace({ name: 'other' }), 'paris', 0);
    const torn = Buffer.from(values[3]!);
    torn[20]! ^= 1;
    const noise = [foreign.start(1), foreign.rows([row(1, 99)]), torn, Buffer.from('junk')];
    const clean = new TestSite();
    await clean.append(LOG, 0, values);
    await using first = await clean.start(LOCAL);
    await reaches(first, formatPosition(maker.at));
    const expected = await digest(first);
    const index = fc.integer({ min: 0, max: values.length + noise.length - 1 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(index, { maxLength: 4 }), { minLength: values.length, maxLength: values.length }),
        async (extras) => {
          const site = new TestSite();
          const all = [...values, ...noise];
          await site.append(
            LOG,
            0,
            values.flatMap((value, i) => [...extras[i]!.map((e) => all[e]!), value]),
          );
          await using applier = await site.start(LOCAL);
          await reaches(applier, formatPosition(maker.at));
          expect(await digest(applier)).toBe(expected);
          expect(site.fatal).toEqual([]);
        },
      ),
      { numRuns: 25 },
    );
  });

  it('applies exactly up to the first gap', async () => {
    const { values } = sampleLog(6);
    const site = new TestSite();
    await site.append(LOG, 0, [...values.slice(0, 4), ...values.slice(5)]);
    await using applier = await site.start(LOCAL);
    await reaches(applier, '1:2');
    await settled();
    expect(formatPosition(applier.origins.applied('paris', 0))).toBe('1:2');
    expect(applier.counts.of('paris')).toMatchObject({ ignored: 3, alarmed: 0 });
    await site.append(LOG, 0, values.slice(4));
    await reaches(applier, '1:6');
  });

  it('names topic, partition, offset and position when it raises an alarm', async () => {
    const { values } = sampleLog(2);
    const site = new TestSite();
    await site.append(LOG, 0, [...values, Buffer.from('junk')]);
    await using _applier = await site.start(LOCAL);
    await eventually(() => site.alarms.length > 0);
    expect(site.alarms[0]).toMatchObject({ topic: LOG, partition: 0, offset: 4, position: '1:2' });
  });

  it('folds again from the start when records are ignored and none accepted for 10 s, and then waits longer', async () => {
    const { values } = sampleLog(2);
    const site = new TestSite();
    const clock = new SimClock();
    await site.append(LOG, 0, [...values, Buffer.from('junk')]);
    const reads: number[] = [];
    const read = site.log.read.bind(site.log);
    site.log.read = (options) => {
      if (options.partition === 0) reads.push(options.from);
      return read(options);
    };
    await using applier = await site.start(LOCAL, { clock });
    await clock.advance(9_000);
    expect(reads).toEqual([0]);
    await clock.advance(3_000);
    expect(reads).toEqual([0, 0]);
    await clock.advance(60_000);
    expect(reads).toEqual([0, 0]);
    expect(formatPosition(applier.origins.applied('paris', 0))).toBe('1:2');
    expect(applier.counts.of('paris').ignored).toBe(1);
    for (let second = 0; second < 80; second++) {
      await site.append(LOG, 0, [Buffer.from('more junk')]);
      await clock.advance(1_000);
    }
    expect(reads.length).toBeGreaterThan(2);
    expect(reads.length).toBeLessThan(5);
  });

  it('stops and ends the process when two records stand under one position', async () => {
    const { values } = sampleLog(2);
    const other = new PartitionMaker(LOCAL, 'paris', 0);
    const forged = [other.genesis(), other.start(1), other.rows([row(9, 9)])][2]!;
    const site = new TestSite();
    await site.append(LOG, 0, [...values, forged]);
    await using applier = await site.start(LOCAL);
    await eventually(() => site.fatal.length > 0);
    expect(String(site.fatal[0])).toContain('two records at 1:1');
    expect(applier.counts.of('paris').stopped).toHaveLength(1);
  });

  it('stops when the topic turns out to be another one', async () => {
    const { values } = sampleLog(2);
    const site = new TestSite();
    await site.append(LOG, 0, values);
    {
      await using applier = await site.start(LOCAL);
      await reaches(applier, '1:2');
    }
    site.store.deleteTopic(LOG);
    await site.append(LOG, 0, [new PartitionMaker(LOCAL, 'paris', 0).genesis('log-new')]);
    await using _applier = await site.start(LOCAL);
    await eventually(() => site.fatal.length > 0);
    expect(String(site.fatal[0])).toContain('log identity log-new, expected log-paris');
  });

  it('stops the partition, and not the process, at rows of a schema it has not seen', async () => {
    const later = sampleKeyspace({ version: 2 });
    const maker = new PartitionMaker(later, 'paris', 0);
    const site = new TestSite();
    await site.append(LOG, 0, [maker.genesis(), maker.start(1), maker.rows([row(1, 1)])]);
    await using applier = await site.start(LOCAL);
    await eventually(() => applier.counts.of('paris').stopped.length > 0);
    expect(applier.counts.of('paris').stopped[0]).toContain('version 2, known is version 1');
    expect(site.fatal).toEqual([]);
  });

  it('takes over a newer keyspace ahead of its first use', async () => {
    const table = { ...LOCAL.tables[0]!, id: 2, name: 'u' };
    const later = sampleKeyspace({ version: 2, tables: [...LOCAL.tables, table] });
    const maker = new PartitionMaker(later, 'paris', 0);
    const site = new TestSite();
    const schema = { kind: 'Schema', version: 2, keyspace: JSON.stringify(later) } as const;
    const older = { kind: 'Schema', version: 1, keyspace: JSON.stringify(LOCAL) } as const;
    const { maker: other, values } = sampleLog(2, LOCAL, 1);
    await site.append(LOG, 1, values);
    {
      await using applier = await site.start(LOCAL);
      await reaches(applier, '1:2', 1);
      await site.append(LOG, 0, [maker.genesis(), maker.start(1), maker.record(schema), maker.rows([row(1, 1)], 'u')]);
      await reaches(applier, '1:2');
      await applier.flush();
    }
    await site.append(LOG, 1, [other.record(older)]);
    {
      await using applier = await site.start(LOCAL);
      await reaches(applier, '1:3', 1);
      expect(applier.stores.keyspace.version).toBe(2);
    }
    await using again = await site.start(LOCAL);
    expect(formatPosition(again.origins.applied('paris', 0))).toBe('1:2');
    expect((await again.stores.tableStore(2)!.partitions[0]!.digest()).rows).toBe(1);
    expect(site.warnings.filter((message) => message.includes('building again'))).toEqual([]);
  });
});

describe('applier of a sync keyspace', () => {
  it('shows no record before it is committed', async () => {
    const { values } = sampleLog(4, SYNC);
    const site = new TestSite();
    await site.append(LOG, 0, values);
    await using applier = await site.start(SYNC);
    await settled();
    expect(formatPosition(applier.origins.applied('paris', 0))).toBe('0:-1');
    applier.committed(0, 'paris', { epoch: 1, seq: 2 });
    await reaches(applier, '1:2');
    await settled();
    expect(formatPosition(applier.origins.applied('paris', 0))).toBe('1:2');
  });

  it('learns what is committed from later records, and for all partitions from barriers', async () => {
    const one = sampleLog(3, SYNC, 0);
    const two = sampleLog(3, SYNC, 1);
    const site = new TestSite();
    await site.append(LOG, 0, one.values);
    await site.append(LOG, 1, two.values);
    await using applier = await site.start(SYNC);
    one.maker.committed = 2;
    await site.append(LOG, 0, [one.maker.rows([row(1, 1)])]);
    await reaches(applier, '1:2', 0);
    await site.append(LOG, 0, [one.maker.barrier([4, 3], [4, 3])]);
    await reaches(applier, '1:4', 0);
    await reaches(applier, '1:3', 1);
  });

  it('applies an epoch up to the cut the next one names, and nothing beyond', async () => {
    const { maker, values } = sampleLog(4, SYNC);
    const cut = { origin: 'paris', epoch: 1, cutSeq: 2, chain: '' };
    const short = sampleLog(2, SYNC).maker;
    const next = new PartitionMaker(SYNC, 'paris', 0);
    const site = new TestSite();
    const records = [next.start(2, { ...cut, chain: short.chain }), next.rows([row(2, 500)])];
    await site.append(LOG, 0, [...values, ...records]);
    await using applier = await site.start(SYNC);
    await settled();
    expect(formatPosition(maker.at)).toBe('1:4');
    expect(formatPosition(applier.origins.applied('paris', 0))).toBe('0:-1');
    applier.committed(0, 'paris', { epoch: 2, seq: 1 });
    await reaches(applier, '2:1');
    const alone = new TestSite();
    await alone.append(LOG, 0, [...values.slice(0, 4), ...records]);
    await using other = await alone.start(SYNC);
    other.committed(0, 'paris', { epoch: 2, seq: 1 });
    await reaches(other, '2:1');
    expect(await digest(applier)).toBe(await digest(other));
  });

  it("begins another site's epoch only after the cut of the one before has been applied", async () => {
    const { maker, values } = sampleLog(3, SYNC);
    const tokyo = new PartitionMaker(SYNC, 'tokyo', 0);
    const start = tokyo.start(2, { origin: 'paris', epoch: 1, cutSeq: 3, chain: maker.chain });
    const site = new TestSite();
    const mirror = topicNames.mirror('ks', 'tokyo');
    await site.append(mirror, 0, [tokyo.genesis(), start, tokyo.rows([row(5, 5)])]);
    await site.append(LOG, 0, values.slice(0, 3));
    await using applier = await site.start(SYNC);
    applier.committed(0, 'tokyo', { epoch: 2, seq: 1 });
    await reaches(applier, '1:1', 0, 'paris');
    await settled();
    expect(formatPosition(applier.origins.applied('tokyo', 0))).toBe('0:-1');
    await site.append(LOG, 0, values.slice(3));
    await reaches(applier, '2:1', 0, 'tokyo');
    expect(formatPosition(applier.origins.applied('paris', 0))).toBe('1:3');
  });

  it('remembers a cut it has learnt when it starts again', async () => {
    const { maker, values } = sampleLog(3, SYNC);
    const short = sampleLog(2, SYNC).maker;
    const tokyo = new PartitionMaker(SYNC, 'tokyo', 0);
    const start = tokyo.start(2, { origin: 'paris', epoch: 1, cutSeq: 2, chain: short.chain });
    const site = new TestSite();
    await site.append(LOG, 0, values);
    await site.append(topicNames.mirror('ks', 'tokyo'), 0, [tokyo.genesis(), start, tokyo.rows([row(5, 5)])]);
    for (let run = 0; run < 2; run++) {
      await using applier = await site.start(SYNC);
      if (run === 0) applier.committed(0, 'tokyo', { epoch: 2, seq: 1 });
      await eventually(() => applier.origins.readers('paris')[0]!.caughtUp);
      expect(formatPosition(applier.origins.applied('paris', 0))).toBe('1:2');
    }
    expect(formatPosition(maker.at)).toBe('1:3');
  });

  it('is told of a cut by the register: what it covers counts at once, and what lies beyond never, also after a restart', async () => {
    const { values } = sampleLog(4, SYNC);
    const site = new TestSite();
    await site.append(LOG, 0, values);
    const platter = new SimPlatter();
    site.disk = new SimDisk(platter);
    {
      const applier = await site.start(SYNC);
      applier.closed(0, 'paris', { epoch: 1, seq: 2 });
      await reaches(applier, '1:2');
      await eventually(() => platter.folders.get('checkpoints/applier')?.has('ks.json') === true);
      // Its process is no more: nothing is flushed.
      (site.disk as SimDisk).hook = () => 'crash';
      await applier[Symbol.asyncDispose]();
    }
    site.disk = new SimDisk(platter);
    await using applier = await site.start(SYNC);
    applier.committed(0, 'paris', { epoch: 1, seq: 4 });
    await reaches(applier, '1:2');
    await settled();
    expect(formatPosition(applier.origins.applied('paris', 0))).toBe('1:2');
    expect(applier.origins.isCutOff('paris', 0, { epoch: 1, seq: 3 })).toBe(true);
  });

  it('keeps the first cut it was told of an epoch, and raises an alarm at another one', async () => {
    const { values } = sampleLog(4, SYNC);
    const site = new TestSite();
    await site.append(LOG, 0, values);
    await using applier = await site.start(SYNC);
    applier.closed(0, 'paris', { epoch: 1, seq: 2 });
    applier.closed(0, 'paris', { epoch: 1, seq: 3 });
    await reaches(applier, '1:2');
    await settled();
    expect(formatPosition(applier.origins.applied('paris', 0))).toBe('1:2');
    expect(site.alarms).toHaveLength(1);
  });

  it('holds only so many bytes, and reads again what it passed over', async () => {
    const { maker, values } = sampleLog(40, SYNC);
    const site = new TestSite();
    maker.committed = 39;
    await site.append(LOG, 0, [...values, maker.rows([row(1, 1)])]);
    await using applier = await site.start(SYNC, { heldBytesMax: 2_000 });
    await reaches(applier, '1:39');
    applier.committed(0, 'paris', { epoch: 1, seq: 41 });
    await reaches(applier, '1:41');
  });
});

describe('applier started again', () => {
  it('resumes after any number of records and flushes, with the same rows', async () => {
    const { maker, values } = sampleLog(12);
    const whole = new TestSite();
    await whole.append(LOG, 0, values);
    await using reference = await whole.start(LOCAL);
    await reaches(reference, formatPosition(maker.at));
    const expected = await digest(reference);
    const stops = fc.array(fc.integer({ min: 2, max: values.length }), { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(stops, fc.boolean(), async (ends, flushes) => {
        const site = new TestSite();
        let written = 0;
        for (const end of [...ends.sort((a, b) => a - b), values.length]) {
          await site.append(LOG, 0, values.slice(written, end));
          written = end;
          const applier = await site.start(LOCAL);
          await reaches(applier, `1:${end - 2}`);
          if (flushes) await applier.flush();
          if (end === values.length) expect(await digest(applier)).toBe(expected);
          await applier[Symbol.asyncDispose]();
        }
      }),
      { numRuns: 15 },
    );
  });

  it('reads on from the checkpoint and not from the start', async () => {
    const { maker, values } = sampleLog(5);
    const site = new TestSite();
    await site.append(LOG, 0, values);
    {
      await using applier = await site.start(LOCAL);
      await reaches(applier, '1:5');
    }
    await site.log.trim(LOG, 0, 6);
    await site.append(LOG, 0, [maker.rows([row(1, 1)])]);
    await using applier = await site.start(LOCAL);
    await reaches(applier, '1:6');
  });

  it('knows that it is caught up though nothing new comes', async () => {
    const { values } = sampleLog(3);
    const site = new TestSite();
    await site.append(LOG, 0, values);
    for (let run = 0; run < 2; run++) {
      await using applier = await site.start(LOCAL);
      await eventually(() => applier.origins.readers('paris').every((reader) => reader.caughtUp));
      expect(formatPosition(applier.origins.applied('paris', 0))).toBe('1:3');
    }
  });

  it('builds column files that were deleted again from the log', async () => {
    const { values } = sampleLog(9);
    const site = new TestSite();
    await site.append(LOG, 0, values);
    let before = '';
    {
      await using applier = await site.start(LOCAL);
      await reaches(applier, '1:9');
      before = await digest(applier);
    }
    await site.disk.remove('ks/t/0');
    await using applier = await site.start(LOCAL);
    await reaches(applier, '1:9');
    expect(await digest(applier)).toBe(before);
  });

  it('folds from the start when the record before the checkpoint is another one', async () => {
    const { maker, values } = sampleLog(4);
    const site = new TestSite();
    await site.append(LOG, 0, [...values.slice(0, 3), values[2]!, values[2]!, ...values.slice(3)]);
    {
      await using applier = await site.start(LOCAL);
      await reaches(applier, '1:4');
    }
    site.store.loseEnd(LOG, 0, 3);
    const more = [1, 2, 3].map((v) => maker.rows([row(1, v)]));
    await site.append(LOG, 0, [...values.slice(3), ...more]);
    await using applier = await site.start(LOCAL);
    await reaches(applier, '1:7');
    expect(site.fatal).toEqual([]);
  });

  it("refuses another cluster's checkpoint, naming both", async () => {
    const { values } = sampleLog(2);
    const site = new TestSite();
    await site.append(LOG, 0, values);
    {
      await using applier = await site.start(LOCAL);
      await reaches(applier, '1:2');
    }
    const { log, disk } = site;
    const parts = {
      cluster: 'c2',
      site: 'paris',
      log,
      disk,
      clock: new SystemClock(),
      logger: SILENT,
      onFatal: () => {},
    };
    const refusal = await KeyspaceApplier.start(parts, LOCAL, RULES).catch((error: unknown) => error);
    expect(isFault(refusal, 'corrupt') && refusal.message).toContain('is of c1/ks, expected c2/ks');
  });
});

describe('asOf', () => {
  it('is the stamp of the newest barrier whose heads are all applied, and never goes back', async () => {
    const one = sampleLog(2, LOCAL, 0);
    const two = sampleLog(1, LOCAL, 1);
    const site = new TestSite();
    await site.append(LOG, 0, [...one.values, one.maker.barrier([2, 1])]);
    await site.append(LOG, 1, two.values);
    await using applier = await site.start(LOCAL);
    await applier.progress.until(() => applier.asOf.current !== null, 5_000);
    const first = applier.asOf.current!;
    await site.append(LOG, 0, [one.maker.rows([row(1, 1)]), one.maker.barrier([4, 2])]);
    await reaches(applier, '1:5');
    await settled();
    expect(applier.asOf.current).toEqual(first);
    await site.append(LOG, 1, [two.maker.rows([row(2, 2)])]);
    await reaches(applier, '1:2', 1);
    expect(applier.asOf.current!.ms).toBeGreaterThan(first.ms);
  });
});
