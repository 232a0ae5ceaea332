/** A writer whose log topic was lost, or made again, while its folder with the checkpoints was kept. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SimLog, SimLogStore } from '@tidemark/log/sim/sim-log';
import { SILENT } from '@tidemark/platform/logger';
import { NodeDisk } from '@tidemark/platform/node-disk';
import { SystemClock } from '@tidemark/platform/system-clock';
import { TIMING } from '@tidemark/platform/timing';
import { NO_CHAIN } from '@tidemark/record/envelope';
import { sealRecord } from '@tidemark/record/seal';
import { expect, it } from 'vitest';
import { setUpWriter } from '../testing/writer-harness.ts';
import { checkNoted, openLog, writePoint } from './opening.ts';

const clock = new SystemClock();
const OLD_MS = TIMING.requestWindowMs + 60_000;

it('a checkpoint of another log counts as none, and so does all that it says beside', async () => {
  const h = await setUpWriter('local');
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-writer-'));
  const disk = new NodeDisk(folder);
  {
    await using writer = await h.start();
    while (writer.appenders.some(({ own }) => own < 1)) await clock.sleep(5);
    const newer = { ...writer.keyspace, version: writer.keyspace.version + 5 };
    await writePoint(
      { disk, logger: SILENT, timing: TIMING },
      {
        stampMs: Date.now() - OLD_MS,
        keyspace: newer,
        sources: [],
        tails: writer.appenders.map((a) => a.checkpoint),
      },
    );
  }
  const genesis = (partition: number): Buffer =>
    sealRecord(
      {
        ...{ cluster: 'c', keyspace: 'travel', origin: 'paris', partition, epoch: 0, seq: -1 },
        ...{ stampMs: 0, stampCounter: 0, writer: 0, committed: -1, body: { kind: 'Genesis', logId: 'fresh' } },
      },
      NO_CHAIN,
    ).bytes;
  const log = new SimLog(new SimLogStore(clock), 'paris');
  await log.ensureTopic({ name: h.topic, partitions: 4, flushed: true, genesis });
  const told: string[] = [];
  const onLost = (reason: string): number => told.push(reason);
  const signal = new AbortController().signal;
  const common = { cluster: 'c', site: 'paris', keyspace: h.keyspace, disk, clock, timing: TIMING, logger: SILENT };
  // Filled again up to the epoch ends, and the point is within those.
  const epochEnds = (await h.accepted()).map((envelopes) => envelopes.at(-1)!);
  for (const { number, records } of h.store.topic(h.topic)!.partitions)
    await log.append(h.topic, number, records.slice(1));
  const terms = [{ epoch: 1, site: 'paris', writerId: 'w1', epochEnds }];
  const opened = await openLog({ ...common, log, signal, terms });
  expect(opened.tails.map(({ logHead, resumed }) => [logHead.logId, logHead.seq, resumed])).toEqual(
    epochEnds.map(({ seq }) => ['fresh', seq, false]),
  );
  expect(opened.keyspace.version).toBe(h.keyspace.version);
  // Before it stands: another log is not asked for what was noted of this one, and this one has it until its end is gone.
  await checkNoted({ ...common, log, signal, terms, onLost });
  const own = new SimLog(h.store, 'paris');
  await checkNoted({ ...common, log: own, signal, terms, onLost });
  expect(told).toEqual([]);
  const [first] = h.store.topic(h.topic)!.partitions;
  h.store.loseEnd(h.topic, 0, first!.records.length - 1);
  await expect(checkNoted({ ...common, log: own, signal, terms, onLost })).rejects.toMatchObject({ kind: 'corrupt' });
  expect(told).toEqual([expect.stringMatching(/lost its end: known to/)]);
  await rm(folder, { recursive: true });
});
