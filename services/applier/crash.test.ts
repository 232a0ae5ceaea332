import { SeededRandom } from '@tidemark/platform/random';
import { SimDisk, SimPlatter } from '@tidemark/platform/sim/sim-disk';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KeyspaceApplier } from './applier.ts';
import { digest, eventually, LOCAL, LOG, reaches, sampleLog, TestSite } from './testing/fake-site.ts';

const BATCHES = 10;

/** Appends a few records at a time, flushing after each, until all are there or the disk stops answering. */
async function feed(site: TestSite, values: readonly Buffer[], written: { count: number }): Promise<string | null> {
  let applier: KeyspaceApplier | null = null;
  try {
    applier = await site.start(LOCAL);
    while (written.count < values.length) {
      const next = values.slice(written.count, written.count + 3);
      written.count += next.length;
      await site.append(LOG, 0, next);
      await reaches(applier, `1:${written.count - 2}`);
      await applier.flush();
    }
    await reaches(applier, `1:${BATCHES}`);
    return await digest(applier);
  } catch {
    return null;
  } finally {
    await applier?.[Symbol.asyncDispose]();
  }
}

describe('applier that is killed', () => {
  it('at any step of the disk, and with the power lost, ends with the same rows', async () => {
    const { values } = sampleLog(BATCHES);
    const whole = new TestSite();
    const expected = await feed(whole, values, { count: 0 });
    expect(expected).not.toBeNull();
    const steps = (whole.disk as SimDisk).platter.stepCount;
    const kill = fc.record({ after: fc.integer({ min: 1, max: steps }), power: fc.boolean(), seed: fc.nat() });
    await fc.assert(
      fc.asyncProperty(fc.array(kill, { minLength: 1, maxLength: 4 }), async (kills) => {
        const site = new TestSite();
        const platter = new SimPlatter();
        const written = { count: 0 };
        for (const { after, power, seed } of kills) {
          const disk = new SimDisk(platter);
          const last = platter.stepCount + after;
          disk.hook = (step) => (step.number > last ? 'crash' : 'ok');
          site.disk = disk;
          await feed(site, values, written);
          if (power) platter.losePower(new SeededRandom(seed));
        }
        site.disk = new SimDisk(platter);
        expect(await feed(site, values, written)).toBe(expected);
      }),
      { numRuns: 60 },
    );
  });

  it('ends the process when the disk answers with an error, and waits when it is full', async () => {
    const { values } = sampleLog(BATCHES);
    const site = new TestSite();
    const disk = new SimDisk();
    site.disk = disk;
    await site.append(LOG, 0, values.slice(0, 5));
    await using applier = await site.start(LOCAL, { flushEveryMs: 0 });
    disk.hook = ({ kind }) => (kind === 'append' ? 'full' : 'ok');
    await reaches(applier, '1:3');
    await eventually(() => site.alarms.length > 0);
    expect(site.alarms).toHaveLength(1);
    expect(site.fatal).toEqual([]);
    disk.hook = () => 'ok';
    await site.append(LOG, 0, values.slice(5));
    await reaches(applier, `1:${BATCHES}`);
    disk.hook = ({ kind }) => (kind === 'append' ? 'eio' : 'ok');
    await site.append(LOG, 0, [sampleLog(BATCHES + 1).values.at(-1)!]);
    await eventually(() => site.fatal.length > 0);
    expect(site.fatal).toHaveLength(1);
  });
});
