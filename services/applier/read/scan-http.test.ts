import { setImmediate } from 'node:timers/promises';
import { SILENT } from '@tidemark/platform/logger';
import { SimDisk } from '@tidemark/platform/sim/sim-disk';
import { SystemClock } from '@tidemark/platform/system-clock';
import { describe, expect, it } from 'vitest';
import { LOG, reaches, TestSite } from '../testing/fake-site.ts';
import { PartitionMaker, sampleKeyspace } from '../testing/log-maker.ts';
import { ScanPlace } from './scan-admission.ts';
import { planScan, scanTable } from './scan-http.ts';

const PARTITIONS = 8;

describe('scan as a stream', () => {
  it('reads at most two blocks ahead of the caller, and nothing more once the caller has gone', async () => {
    const keyspace = sampleKeyspace({ partitions: PARTITIONS });
    const site = new TestSite();
    const disk = new SimDisk();
    site.disk = disk;
    await site.log.ensureTopic({ name: LOG, partitions: PARTITIONS, genesis: null, flushed: true });
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const maker = new PartitionMaker(keyspace, 'paris', partition);
      // A row that is more than the stream buffers.
      const values = [maker.genesis(), maker.start(1), maker.rows([{ k: `k${partition}`, w: 'x'.repeat(200_000) }])];
      for (const value of values) await site.log.append(LOG, partition, [{ value }]);
    }
    await using applier = await site.start(keyspace);
    for (let partition = 0; partition < PARTITIONS; partition++) await reaches(applier, '1:1', partition);
    await applier.flush();

    const read = new Set<string>();
    disk.hook = ({ kind, path }) => {
      if (kind === 'read' && path.endsWith('w.col')) read.add(path);
      return 'ok';
    };
    const settle = async (): Promise<void> => {
      for (let turn = 0; turn < 100; turn++) await setImmediate();
    };
    const closed = new AbortController();
    const parts = {
      clock: new SystemClock(),
      logger: SILENT,
      asOf: null,
      place: new ScanPlace(0, closed.signal, () => {}),
      noteDamage: () => false,
      beganMs: 0,
    };
    const { stream } = await scanTable(planScan(applier.stores.tableStore(1)!, {}), parts);
    await settle();
    expect(read.size).toBe(1);
    stream.once('readable', () => stream.read());
    await settle();
    expect(read.size).toBeLessThanOrEqual(3);
    closed.abort();
    stream.destroy();
    const before = read.size;
    await settle();
    expect(read.size).toBe(before);
  });
});
