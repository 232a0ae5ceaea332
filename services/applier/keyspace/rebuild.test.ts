/**
 * A local keyspace applies what it reads, so that a site may have gone beyond an epoch end before it hears of it. It then
 * starts again from its logs: the rows end as if it had never gone there, whenever the epoch end is told and the process dies.
 */

import { topicNames } from '@tidemark/model/table';
import { SeededRandom } from '@tidemark/platform/random';
import { SimDisk, SimPlatter } from '@tidemark/platform/sim/sim-disk';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EpochEnd } from '../follow/known-epoch-ends.ts';
import type { RunningKeyspace } from '../running.ts';
import { digest, eventually, LOCAL, LOG, sampleLog, settled, TestSite } from '../testing/fake-site.ts';
import { makeTurns, type Turns } from '../testing/fake-turns.ts';

async function fill(site: TestSite, turns: Turns, wants: (epoch: number, counts: boolean) => boolean): Promise<void> {
  for (const [origin, logs] of turns.logs) {
    for (const [partition, records] of logs.entries()) {
      const values = records.filter(({ epoch, counts }) => wants(epoch, counts)).map(({ value }) => value);
      await site.append(site.topicOf(origin), partition, values);
    }
  }
}

async function run(site: TestSite, epochEnds: () => readonly (readonly EpochEnd[])[]): Promise<RunningKeyspace> {
  const running = await site.run(LOCAL, epochEnds);
  return running;
}

function isAt(running: RunningKeyspace, turns: Turns): boolean {
  const { applier } = running;
  if (applier === null || applier.readGate.refusal !== null) return false;
  return turns.ends.every((end, partition) => {
    if (end === null) return true;
    const at = applier.origins.applied(end.origin, partition);
    return at.epoch === end.at.epoch && at.seq === end.at.seq;
  });
}

async function expected(turns: Turns): Promise<string> {
  const site = new TestSite();
  await fill(site, turns, (_, counts) => counts);
  await using running = await run(site, () => turns.epochEnds);
  await eventually(() => isAt(running, turns));
  return digest(running.applier!);
}

/** Paris leads and goes beyond its epoch end; tokyo follows. */
const turns = makeTurns(LOCAL, [
  { site: 'paris', kept: [3, 2], beyond: [3, 1] },
  { site: 'tokyo', kept: [3, 3], beyond: [0, 0] },
]);

describe('an epoch end that is learnt while a schema beyond it is applied', () => {
  it('is noticed as soon as the stores hold what lies beyond', async () => {
    const { maker, values } = sampleLog(1);
    const site = new TestSite();
    const table = { ...LOCAL.tables[0]!, id: 2, name: 'later' };
    const later = { ...LOCAL, version: 2, tables: [...LOCAL.tables, table] };
    await site.append(LOG, 0, [
      ...values,
      maker.record({ kind: 'Schema', version: 2, keyspace: JSON.stringify(later) }),
    ]);
    const disk = new SimDisk();
    let learn = (): void => {};
    disk.hook = ({ path }) => {
      if (path.includes('later')) learn();
      return 'ok';
    };
    site.disk = disk;
    await using applier = await site.start(LOCAL);
    learn = () => applier.closed(0, 'paris', { epoch: 1, seq: 1 });
    await eventually(() => applier.readGate.isBeyond);
  });
});

describe('a store beyond an epoch end', () => {
  it('is built again without what lies beyond, and nothing is read until it is where it was', async () => {
    const site = new TestSite();
    await fill(site, turns, (epoch) => epoch <= 1);
    const epochEnds: { told: readonly (readonly EpochEnd[])[] } = { told: [] };
    await using running = await run(site, () => epochEnds.told);
    await eventually(() => running.applier!.origins.applied('paris', 0).seq === 5);
    const before = await digest(running.applier!);
    epochEnds.told = turns.epochEnds;
    site.log.read = () => {
      throw new Error('nothing is read for now');
    };
    for (const [p, { origin, epoch, seq }] of turns.epochEnds.map((some) => some[0]!).entries()) {
      running.applier!.closed(p, origin, { epoch, seq });
    }
    expect(() => running.readable).toThrow('read it at another site');
    await settled();
    await eventually(() => running.applier !== null);
    expect(() => running.readable).toThrow('partition 0 of paris is at 0:-1, it was at 1:2');
    expect(before).not.toBe(await digest(running.applier!));
  });

  it('ends so when only the next term of the same site, in its log, says where the one before ended', async () => {
    const again = makeTurns(LOCAL, [
      { site: 'tokyo', kept: [3, 2], beyond: [3, 1] },
      { site: 'tokyo', kept: [3, 3], beyond: [0, 0] },
    ]);
    const wanted = await expected(again);
    const site = new TestSite();
    await fill(site, again, (epoch) => epoch <= 1);
    await using running = await run(site, () => []);
    await eventually(() => running.applier!.origins.applied('tokyo', 0).seq === 5);
    await fill(site, again, (epoch) => epoch > 1);
    await eventually(() => isAt(running, again));
    expect(await digest(running.applier!)).toBe(wanted);
  });

  it('ends with the rows that count, whenever the epoch end is told, and by whom', async () => {
    const wanted = await expected(turns);
    const told = fc.constantFrom('first', 'late', 'by the next epoch', 'after a restart');
    await fc.assert(
      fc.asyncProperty(told, fc.boolean(), async (how, flushes) => {
        const site = new TestSite();
        await fill(site, turns, (epoch) => epoch <= 1);
        const epochEnds: { told: readonly (readonly EpochEnd[])[] } = { told: how === 'first' ? turns.epochEnds : [] };
        let running = await run(site, () => epochEnds.told);
        await eventually(() => running.applier!.origins.readers('paris').every((reader) => reader.caughtUp));
        if (flushes) await running.applier!.flush();
        if (how === 'after a restart') await running[Symbol.asyncDispose]();
        if (how !== 'by the next epoch') epochEnds.told = turns.epochEnds;
        if (how === 'after a restart') running = await run(site, () => epochEnds.told);
        await using last = running;
        if (how === 'late') last.applier!.closed(0, 'paris', { epoch: 1, seq: 2 });
        for (const [partition, records] of turns.logs.get('tokyo')!.entries()) {
          await site.append(
            topicNames.mirror('ks', 'tokyo'),
            partition,
            records.map(({ value }) => value),
          );
        }
        await eventually(() => isAt(last, turns));
        expect(await digest(last.applier!)).toBe(wanted);
        expect(site.fatal).toEqual([]);
      }),
      { numRuns: 12 },
    );
  }, 30_000);

  it('ends so too when the process dies at any step of the disk', async () => {
    const wanted = await expected(turns);
    const kill = fc.record({ after: fc.integer({ min: 1, max: 120 }), power: fc.boolean(), seed: fc.nat() });
    await fc.assert(
      fc.asyncProperty(fc.array(kill, { minLength: 1, maxLength: 3 }), async (kills) => {
        const platter = new SimPlatter();
        const first = new TestSite();
        first.disk = new SimDisk(platter);
        await fill(first, turns, (epoch) => epoch <= 1);
        {
          await using running = await run(first, () => []);
          await eventually(() => running.applier!.origins.readers('paris').every((reader) => reader.caughtUp));
        }
        await fill(first, turns, (epoch) => epoch > 1);
        for (const { after, power, seed } of kills) {
          const disk = new SimDisk(platter);
          const last = platter.stepCount + after;
          disk.hook = (step) => (step.number > last ? 'crash' : 'ok');
          first.disk = disk;
          try {
            const running = await run(first, () => turns.epochEnds);
            for (let turn = 0; turn < 5; turn++) await settled();
            await running.applier?.flush().catch(() => {});
            await running[Symbol.asyncDispose]();
          } catch {
            // The process is gone.
          }
          if (power) platter.losePower(new SeededRandom(seed));
        }
        first.disk = new SimDisk(platter);
        await using running = await run(first, () => turns.epochEnds);
        await eventually(() => isAt(running, turns));
        expect(await digest(running.applier!)).toBe(wanted);
      }),
      { numRuns: 30 },
    );
  }, 60_000);
});
