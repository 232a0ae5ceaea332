import { formatPosition } from '@tidemark/model/position';
import { topicNames } from '@tidemark/model/table';
import { SimDisk, SimPlatter } from '@tidemark/platform/sim/sim-disk';
import { describe, expect, it } from 'vitest';
import { digest, eventually, LOG, reaches, row, SYNC, sampleLog, settled, TestSite } from './testing/fake-site.ts';
import { PartitionMaker } from './testing/log-maker.ts';

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

  it('applies an epoch up to the epoch end the next one names, and nothing beyond', async () => {
    const { maker, values } = sampleLog(4, SYNC);
    const epochEnd = { origin: 'paris', epoch: 1, endSeq: 2, chain: '' };
    const short = sampleLog(2, SYNC).maker;
    const next = new PartitionMaker(SYNC, 'paris', 0);
    const site = new TestSite();
    const records = [next.start(2, { ...epochEnd, chain: short.chain }), next.rows([row(2, 500)])];
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

  it("begins another site's epoch only after the epoch end of the one before has been applied", async () => {
    const { maker, values } = sampleLog(3, SYNC);
    const tokyo = new PartitionMaker(SYNC, 'tokyo', 0);
    const start = tokyo.start(2, { origin: 'paris', epoch: 1, endSeq: 3, chain: maker.chain });
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

  it('remembers an epoch end it has learnt when it starts again', async () => {
    const { maker, values } = sampleLog(3, SYNC);
    const short = sampleLog(2, SYNC).maker;
    const tokyo = new PartitionMaker(SYNC, 'tokyo', 0);
    const start = tokyo.start(2, { origin: 'paris', epoch: 1, endSeq: 2, chain: short.chain });
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

  it('is told of an epoch end by the register: what it covers counts at once, and what lies beyond never, also after a restart', async () => {
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

  it('keeps the first epoch end it was told of an epoch, and raises an alarm at another one', async () => {
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
