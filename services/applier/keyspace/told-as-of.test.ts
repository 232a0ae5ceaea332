import { SILENT } from '@tidemark/platform/logger';
import { SimClock } from '@tidemark/platform/sim/sim-clock';
import { SimDisk, SimPlatter } from '@tidemark/platform/sim/sim-disk';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Barrier, compareTicks, type Tick } from '../follow/closed-timestamp.ts';
import { eventually, LOG, reaches, row, SYNC, sampleLog, settled, TestSite } from '../testing/fake-site.ts';
import { ToldAsOf } from './told-as-of.ts';

const FILE = 'checkpoints/applier/ks.told.json';
const tick = (ms: number): Tick => ({ ms, counter: 0 });

const barrier = (ms: number): Barrier => ({ origin: 'paris', at: { epoch: 1, seq: ms }, stamp: tick(ms), heads: [] });

function opened(platter: SimPlatter, disk = new SimDisk(platter)): Promise<ToldAsOf> {
  return ToldAsOf.open({ disk, clock: new SimClock(), logger: SILENT }, 'ks');
}

describe('asOf that readers are told', () => {
  it('is never later than what a process knows that starts after it was killed at any step, nor a second behind', async () => {
    const moves = fc.array(fc.integer({ min: 0, max: 1_500 }), { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(moves, fc.integer({ min: 1, max: 60 }), async (steps, killedAt) => {
        const platter = new SimPlatter();
        const disk = new SimDisk(platter);
        let count = 0;
        disk.hook = () => (++count >= killedAt ? 'crash' : 'ok');
        const isDead = (): boolean => count >= killedAt;
        const told = await opened(platter, disk).catch(() => null);
        let ms = 10_000;
        let heard: Tick | null = null;
        for (const by of steps) {
          ms += by;
          const answer: Tick | null = (await told?.tell(barrier(ms))) ?? null;
          if (isDead() || answer === null) break;
          expect(compareTicks(answer, tick(ms))).toBeLessThanOrEqual(0);
          expect(ms - answer.ms).toBeLessThan(1_000);
          expect(heard === null || compareTicks(answer, heard) >= 0).toBe(true);
          heard = answer;
        }
        disk.crash();
        const { latest } = await opened(platter);
        expect(heard === null || (latest !== null && compareTicks(latest, heard) >= 0)).toBe(true);
      }),
    );
  });

  it('is being written by nobody any more once it is disposed of', async () => {
    const platter = new SimPlatter();
    const told = await opened(platter);
    await told.tell(barrier(5_000));
    // Half a second behind it is written anew, and who asked does not wait.
    expect(await told.tell(barrier(5_700))).toEqual(tick(5_000));
    await told[Symbol.asyncDispose]();
    expect(told.latest).toEqual(tick(5_700));
  });

  it('is told on as it was while it cannot be written down', async () => {
    const platter = new SimPlatter();
    const disk = new SimDisk(platter);
    const told = await opened(platter, disk);
    expect(await told.tell(barrier(5_000))).toEqual(tick(5_000));
    disk.hook = () => 'full';
    expect(await told.tell(barrier(50_000))).toEqual(tick(5_000));
    disk.hook = () => 'ok';
    expect(await told.tell(barrier(60_000))).toEqual(tick(60_000));
  });

  it('of which the file is damaged counts as now, also at the start after that', async () => {
    const platter = new SimPlatter();
    const disk = new SimDisk(platter);
    await disk.makeFolder('checkpoints/applier');
    const file = await disk.create(FILE);
    await file.append(Buffer.from('{"crc32":"00000000","value":{"ms":7,"counter":0}}\n'));
    await file.close();
    const nowMs = new SimClock().nowMs();
    expect((await opened(platter, disk)).latest).toEqual(tick(nowMs));
    expect((await opened(platter, disk)).latest).toEqual(tick(nowMs));
  });
});

/** No record says that the last two of partition 0 are committed. */
async function filled(): Promise<TestSite> {
  const one = sampleLog(2, SYNC, 0);
  const two = sampleLog(1, SYNC, 1);
  const site = new TestSite();
  const first = one.maker.barrier([2, 1]);
  await site.append(LOG, 0, [...one.values, first, one.maker.rows([row(1, 1)]), one.maker.barrier([4, 1], [3, 1])]);
  await site.append(LOG, 1, two.values);
  return site;
}

describe('a site that starts again', () => {
  it('answers nobody before it knows again of every commit that made what readers were told', async () => {
    const site = await filled();
    const disk = new SimDisk();
    site.disk = disk;
    const killed = await site.start(SYNC);
    killed.committed(0, 'paris', { epoch: 1, seq: 5 });
    await reaches(killed, '1:5');
    await reaches(killed, '1:1', 1);
    const heard = await killed.told.tell(killed.asOf.barrier);
    expect(killed.readGate.refusal).toBeNull();
    site.disk = disk.restart();
    await using applier = await site.start(SYNC);
    await reaches(applier, '1:3');
    await settled();
    expect(compareTicks(applier.asOf.current!, heard!)).toBeLessThan(0);
    expect(applier.readGate.refusal).toContain(`readers were told ${heard!.ms} before`);
    applier.closed(0, 'paris', { epoch: 1, seq: 5 });
    await eventually(() => applier.readGate.refusal === null);
    expect(compareTicks(applier.asOf.current!, heard!)).toBeGreaterThanOrEqual(0);
  });

  it('answers at once, and no older, where all that was applied was flushed', async () => {
    const site = await filled();
    let heard: Tick | null = null;
    {
      await using applier = await site.start(SYNC);
      applier.committed(0, 'paris', { epoch: 1, seq: 5 });
      await reaches(applier, '1:5');
      await reaches(applier, '1:1', 1);
      heard = await applier.told.tell(applier.asOf.barrier);
    }
    await using applier = await site.start(SYNC);
    expect(applier.readGate.refusal).toBeNull();
    expect(await applier.told.tell(applier.asOf.barrier)).toEqual(heard);
  });

  it('answers at once where nobody was told anything', async () => {
    const site = new TestSite();
    await using applier = await site.start(SYNC);
    expect(applier.readGate.refusal).toBeNull();
  });
});
