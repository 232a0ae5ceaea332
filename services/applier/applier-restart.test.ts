import { formatPosition, type Position } from '@tidemark/model/position';
import { isFault } from '@tidemark/platform/fault';
import { SILENT } from '@tidemark/platform/logger';
import { SimClock } from '@tidemark/platform/sim/sim-clock';
import { SystemClock } from '@tidemark/platform/system-clock';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyspaceApplier } from './applier.ts';
import {
  ampleMemory,
  digest,
  eventually,
  LOCAL,
  LOG,
  RULES,
  reaches,
  row,
  sampleLog,
  settled,
  TestSite,
} from './testing/fake-site.ts';

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

  it('folds a log that was made again while the column files were kept, and stops at nothing', async () => {
    const { maker, values } = sampleLog(6);
    const site = new TestSite();
    await site.append(LOG, 0, values);
    let before = '';
    {
      await using applier = await site.start(LOCAL);
      await reaches(applier, '1:6');
      before = await digest(applier);
    }
    site.store.deleteTopic(LOG);
    await site.append(LOG, 0, [maker.genesis('another'), ...values.slice(1, 4)]);
    await using applier = await site.start(LOCAL);
    await eventually(() => applier.origins.readers('paris')[0]!.caughtUp);
    expect(formatPosition(applier.origins.applied('paris', 0))).toBe('1:6');
    await site.append(LOG, 0, [...values.slice(4), maker.rows([row(1, 1)])]);
    await reaches(applier, '1:7');
    expect(site.fatal).toEqual([]);
    expect(before).not.toBe('');
  });

  it('goes on when the log is deleted and made again under it', async () => {
    const { maker, values } = sampleLog(6);
    const site = new TestSite();
    await site.append(LOG, 0, values.slice(0, 4));
    await using applier = await site.start(LOCAL);
    await reaches(applier, '1:2');
    site.store.deleteTopic(LOG);
    await settled();
    await site.append(LOG, 0, [maker.genesis('another'), ...values.slice(1)]);
    await reaches(applier, '1:6');
    expect(site.fatal).toEqual([]);
  });

  for (const isQuiet of [true, false]) {
    it(`says what it lacks when the log was trimmed past it${isQuiet ? ', though nothing new comes' : ''}`, async () => {
      const { maker, values } = sampleLog(6);
      const site = new TestSite();
      await site.append(LOG, 0, values.slice(0, 4));
      {
        await using applier = await site.start(LOCAL);
        await reaches(applier, '1:2');
      }
      await site.append(LOG, 0, values.slice(4));
      await site.log.trim(LOG, 0, values.length);
      if (!isQuiet) await site.append(LOG, 0, [maker.rows([row(1, 1)])]);
      const clock = new SimClock();
      const stuck: string[] = [];
      const onStuck = (...[, origin, partition, at]: readonly [string, string, number, Position]): void =>
        void stuck.push(`${origin}/${partition} ${formatPosition(at)}`);
      await using applier = await KeyspaceApplier.start({ ...site.parts(clock), onStuck }, LOCAL, RULES);
      await clock.advance(9_000);
      expect(stuck).toEqual([]);
      await clock.advance(3_000);
      expect(stuck).toEqual(['paris/0 1:2']);
      // Put back, it is read as if nothing had been.
      site.store.deleteTopic(LOG);
      await site.append(LOG, 0, values);
      for (let turn = 0; turn < 100 && applier.origins.applied('paris', 0).seq < 6; turn++) await clock.advance(100);
      expect([formatPosition(applier.origins.applied('paris', 0)), site.fatal]).toEqual(['1:6', []]);
    });
  }

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
      memory: ampleMemory(),
      clock: new SystemClock(),
      logger: SILENT,
      onFatal: () => {},
    };
    const refusal = await KeyspaceApplier.start(parts, LOCAL, RULES).catch((error: unknown) => error);
    expect(isFault(refusal, 'corrupt') && refusal.message).toContain('is of c1/ks, expected c2/ks');
  });
});
