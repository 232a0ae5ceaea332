/**
 * The checkpoint of what has been read only saves work: lost, or pointing anywhere, it makes nothing be skipped and
 * nothing count twice, as the stores' own positions and the record before the place are what is believed.
 */

import type { SimDisk } from '@tidemark/platform/sim/sim-disk';
import { asWritten, readState, writeState } from '@tidemark/platform/state-file';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { digest, LOCAL, LOG, reaches, row, sampleLog, TestSite } from '../testing/fake-site.ts';
import type { Checkpoint } from './checkpoint.ts';

const PATH = 'checkpoints/applier/ks.json';

async function change(disk: SimDisk, to: (checkpoint: Checkpoint) => unknown): Promise<void> {
  await writeState(disk, PATH, to((await readState(disk, PATH, asWritten<Checkpoint>()))!));
}

describe('a checkpoint', () => {
  it('that is lost, torn, or points anywhere, makes nothing be skipped and nothing count twice', async () => {
    const { maker, values } = sampleLog(12);
    const more = [1, 2, 3].map((v) => maker.rows([row(v, v * 1_000)]));
    const whole = new TestSite();
    await whole.append(LOG, 0, [...values, ...more]);
    await using reference = await whole.start(LOCAL);
    await reaches(reference, '1:15');
    const expected = await digest(reference);
    const wrong = fc.oneof(
      fc.constantFrom({ kind: 'lost' as const }, { kind: 'whole' as const }),
      fc.record({ kind: fc.constant('torn' as const), length: fc.nat(300) }),
      fc.record({ kind: fc.constant('moved' as const), offset: fc.integer({ min: -3, max: 30 }) }),
      fc.record({ kind: fc.constant('ahead' as const), seq: fc.nat(20), offset: fc.nat(20) }),
    );
    await fc.assert(
      fc.asyncProperty(wrong, fc.boolean(), async (how, losesFiles) => {
        const site = new TestSite();
        const disk = site.disk as SimDisk;
        await site.append(LOG, 0, values);
        {
          await using applier = await site.start(LOCAL);
          await reaches(applier, '1:12');
        }
        if (how.kind === 'lost') await disk.remove(PATH);
        if (how.kind === 'torn') {
          const bytes = (await disk.read(PATH)).slice(0, how.length);
          const file = await disk.create(PATH);
          await file.append(bytes);
          await file.close();
        }
        if (how.kind === 'moved') {
          await change(disk, (c) => ({ ...c, places: c.places.map((place) => ({ ...place, offset: how.offset })) }));
        }
        if (how.kind === 'ahead') {
          const { seq, offset } = how;
          const moved = (c: Checkpoint) =>
            c.places.map((place) => ({ ...place, offset, logHead: { ...place.logHead, seq } }));
          await change(disk, (c) => ({ ...c, places: moved(c) }));
        }
        if (losesFiles) await disk.remove('ks/t/0');
        await site.append(LOG, 0, more);
        await using applier = await site.start(LOCAL);
        await reaches(applier, '1:15');
        expect(await digest(applier)).toBe(expected);
        expect(site.fatal).toEqual([]);
      }),
      { numRuns: 60, endOnFailure: true },
    );
  }, 30_000);
});
