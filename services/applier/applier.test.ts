import { formatPosition } from '@tidemark/model/position';
import { SimClock } from '@tidemark/platform/sim/sim-clock';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { digest, eventually, LOCAL, LOG, reaches, row, sampleLog, settled, TestSite } from './testing/fake-site.ts';
import { PartitionMaker, sampleKeyspace } from './testing/log-maker.ts';

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
